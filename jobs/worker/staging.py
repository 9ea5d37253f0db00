"""Where a finished video lies between its provider and its storage: a folder of this machine."""

import os
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID


def folder() -> Path:
    """The spool folder, for this user's eyes only."""
    path = Path(tempfile.gettempdir()) / f"videostudio-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def video_path(job_id: UUID) -> Path:
    return folder() / f"{job_id}.mp4"


def delete(job_id: UUID) -> None:
    """Of a job that has ended; what workers left that died of it, too."""
    for path in (video_path(job_id), *folder().glob(f"{job_id}.*.part")):
        path.unlink(missing_ok=True)


def partial_path(job_id: UUID) -> Path:
    """Where a download is written until it is whole; one name for each process."""
    return folder() / f"{job_id}.{os.getpid()}.part"


def delete_stale(*, before: datetime) -> None:
    """Remove what was last written before then: videos of dead workers, locks of dead clusters."""
    for path in folder().iterdir():
        with suppress(FileNotFoundError):  # somebody else was faster
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
