"""Posters of the size in which lists show them."""

from django.conf import settings

WIDTH = 640  # pixels
SMALL = f".{WIDTH}.jpg"


def small(url: str) -> str:
    """The URL of the poster at WIDTH. Cloudinary scales it; the server's own is stored twice."""
    if "/video/upload/so_0/" in url:
        return url.replace("/video/upload/so_0/", f"/video/upload/so_0,w_{WIDTH},c_limit/", 1)
    if url.startswith(settings.MEDIA_URL):
        return url.removesuffix(".jpg") + SMALL
    return url
