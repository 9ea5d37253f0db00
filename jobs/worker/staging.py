"""The staging folder on this machine: finished videos wait here until they are stored."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings

from jobs.storage import mp4
from jobs.storage.base import StorageError
from videostudio.core.private_folder import private_folder
from videostudio.core.process_metrics import gauge, log_errors

FILLING = 0.8  # of STAGING_MAX_BYTES; the rest is for videos that the provider is already making
MIN_FREE_BYTES = 50_000_000  # of its disk, which may be full of other files: two large videos
_sizes = gauge("staging_bytes", "Of the staging folder, and STAGING_MAX_BYTES", "size")


def folder() -> Path:
    """The staging folder (STAGING_DIR), which only this user can read and write.

    Raises PermissionError if another user made it, or if others can use it.
    """
    path = settings.STAGING_DIR or f"{tempfile.gettempdir()}/videostudio-{os.getuid()}"
    return private_folder(Path(path), what="staging folder")


def keep(job_id: UUID) -> None:
    """Keep the video at `partial_path`. Raises StorageError if STAGING_MAX_BYTES are in use."""
    if _bytes() >= settings.STAGING_MAX_BYTES:
        raise StorageError("the staging folder is full", retryable=True, needs_operator=True)
    partial_path(job_id).replace(video_path(job_id))


def is_filling() -> bool:
    """Whether no further jobs may be submitted: the rest is for videos that are being made.

    Also if the folder's disk is full or read-only, since Google charges for each video.
    """
    size, limit = _bytes(), settings.STAGING_MAX_BYTES
    with log_errors():
        _sizes.labels("used").set(size)
        _sizes.labels("limit").set(limit)
    return size >= FILLING * limit or not _can_write()


def _can_write() -> bool:
    path = folder()
    return os.access(path, os.W_OK) and shutil.disk_usage(path).free >= MIN_FREE_BYTES


def video_path(job_id: UUID) -> Path:
    return folder() / f"{job_id}.mp4"


def has_video(job_id: UUID) -> bool:
    """False for a video that is missing, or whose file a power failure has cut off."""
    with suppress(FileNotFoundError, mp4.NotAVideo):
        mp4.check(video_path(job_id))
        return True
    return False


def delete(job_id: UUID) -> None:
    """Delete an ended job's video, and partial downloads that killed workers left behind."""
    for path in (video_path(job_id), *folder().glob(f"{job_id}.*.part")):
        path.unlink(missing_ok=True)


def partial_path(job_id: UUID) -> Path:
    """Where a download is written until it is complete; each process has its own name."""
    return folder() / f"{job_id}.{os.getpid()}.part"


def job_ids() -> list[UUID]:
    """The jobs that have a complete video here."""
    ids = []
    for path in folder().glob("*.mp4"):
        with suppress(ValueError):  # not ours
            ids.append(UUID(path.stem))
    return ids


def delete_stale(*, before: datetime) -> None:
    """Delete files last written before `before`: videos of dead workers, locks of dead clusters."""
    for path, found in _files():
        if found.st_mtime < before.timestamp():
            path.unlink(missing_ok=True)


def _bytes() -> int:
    return sum(found.st_size for _, found in _files())


def _files() -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder().iterdir():
        with suppress(FileNotFoundError):  # another process deleted it
            yield path, path.stat()
