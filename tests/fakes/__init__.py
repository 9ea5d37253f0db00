"""The outside services, imitated on this machine: the real SDKs talk to them in tests."""

from tests.fakes.cloudinary import CloudinaryImitation
from tests.fakes.vertex import VertexImitation

__all__ = ["CloudinaryImitation", "VertexImitation"]
