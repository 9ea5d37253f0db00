"""Store, read and delete a small video, to find out whether the storage works."""

from pathlib import Path
from uuid import uuid4

import requests
from django.conf import settings

from jobs.providers.mock import SAMPLES
from jobs.storage import videos
from jobs.storage.base import StorageError, StoredVideo, video_name

TIMEOUT = (5, 20)  # seconds: to connect, and between two reads


def run() -> None:
    """Raises StorageError. What a killed run leaves behind, `manage.py sweep_storage` deletes."""
    sample = min(SAMPLES.glob("*.mp4"), key=lambda path: path.stat().st_size)
    name = video_name(uuid4())
    try:
        stored = videos().upload_video(name=name, path=sample, poster=None)
        if _read(stored) != sample.read_bytes():
            raise StorageError("it delivers other bytes than it stored", retryable=False)
    finally:
        videos().delete_video(name=name)


def _read(video: StoredVideo) -> bytes:
    try:
        if not settings.USE_CLOUDINARY:
            return Path(settings.MEDIA_ROOT, video.name).read_bytes()
        answer = requests.get(video.url, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.content
    except OSError as error:  # requests' errors too
        raise StorageError(f"cannot be read: {type(error).__name__}", retryable=True) from error
