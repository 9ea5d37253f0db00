"""Where videos are stored."""

from typing import cast

from django.conf import settings
from django.core.files.storage import storages

from jobs.storage.base import VideoStorage


def videos() -> VideoStorage:
    """Where videos are stored now."""
    return cast(VideoStorage, storages["videos"])


def videos_at(*, is_local: bool) -> VideoStorage:
    """This server's disk, or Cloudinary; a video may be older than a change of USE_CLOUDINARY."""
    if is_local != settings.USE_CLOUDINARY:
        return videos()
    # Imported here, because it needs Cloudinary's settings.
    if is_local:
        from jobs.storage.local import LocalVideos

        return LocalVideos()
    from jobs.storage.cloudinary import CloudinaryVideos

    return CloudinaryVideos()
