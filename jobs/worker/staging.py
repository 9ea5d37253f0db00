"""The staging folder on this machine: finished videos wait here until they are stored."""

import os
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID


def folder() -> Path:
    """The staging folder, readable by this user only."""
    path = Path(tempfile.gettempdir()) / f"videostudio-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def video_path(job_id: UUID) -> Path:
    return folder() / f"{job_id}.mp4"


def delete(job_id: UUID) -> None:
    """Delete an ended job's video, and partial downloads that killed workers left behind."""
    for path in (video_path(job_id), *folder().glob(f"{job_id}.*.part")):
        path.unlink(missing_ok=True)


def partial_path(job_id: UUID) -> Path:
    """Where a download is written until it is complete; each process has its own name."""
    return folder() / f"{job_id}.{os.getpid()}.part"


def delete_stale(*, before: datetime) -> None:
    """Delete files last written before `before`: videos of dead workers, locks of dead clusters."""
    for path in folder().iterdir():
        with suppress(FileNotFoundError):  # another process deleted it
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
