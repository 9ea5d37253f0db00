"""Images as uploaded files."""

import io

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image


def picture(kind="JPEG", *, size=(64, 48), color="red", mode="RGB", name=None, **options):
    """An uploaded image, named after its kind."""
    return upload(encoded(Image.new(mode, size, color), kind, **options), name or f"a.{kind}")


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def upload(content, name="a.jpg", content_type="application/octet-stream"):
    return SimpleUploadedFile(name, content, content_type)
