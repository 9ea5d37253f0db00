"""Fake servers of Google and Cloudinary on this machine, which the real SDKs call in tests."""

from tests.fakes.cloudinary import CloudinaryImitation, use_cloudinary
from tests.fakes.vertex import VertexImitation

__all__ = ["CloudinaryImitation", "VertexImitation", "use_cloudinary"]
