"""The outside services, imitated on this machine: the real SDKs talk to them in tests."""

from tests.imitations.cloudinary import CloudinaryImitation
from tests.imitations.vertex import VertexImitation

__all__ = ["CloudinaryImitation", "VertexImitation"]
