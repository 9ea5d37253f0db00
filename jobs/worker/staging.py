"""The staging folder on this machine: finished videos wait here until they are stored."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from stat import S_ISDIR
from uuid import UUID

from django.conf import settings

FILLING = 0.8  # of STAGING_MAX_BYTES; the rest is for videos that the provider is already making


def folder() -> Path:
    """The staging folder (STAGING_DIR), which only this user can read and write.

    Raises PermissionError if another user made it, or if others can use it.
    """
    path = Path(settings.STAGING_DIR or f"{tempfile.gettempdir()}/videostudio-{os.getuid()}")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"the staging folder {path} is not this user's own folder")
    if found.st_mode & 0o077:
        raise PermissionError(f"the staging folder {path} is not private: its mode must be 700")
    return path


def is_full() -> bool:
    """Whether another video would exceed STAGING_MAX_BYTES."""
    return _bytes() >= settings.STAGING_MAX_BYTES


def is_filling() -> bool:
    """Whether no further jobs may be submitted: the rest is for videos that are being made."""
    return _bytes() >= FILLING * settings.STAGING_MAX_BYTES


def video_path(job_id: UUID) -> Path:
    return folder() / f"{job_id}.mp4"


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
