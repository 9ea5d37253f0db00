"""The interface between the workers and the storage for videos."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from pathlib import Path
from typing import Protocol
from uuid import UUID

FOLDER = "ai_studio/videos"
DELETE_THREADS = 8  # of one worker process
UPLOAD_THREADS = 8  # of one worker process; each stores one video at a time


@dataclass(frozen=True)
class StoredVideo:
    """A stored video. `url` and `poster_url` are relative if this server delivers it."""

    name: str
    url: str
    poster_url: str
    bytes: int


class StorageError(Exception):
    """The video could not be stored. `retryable`: trying again may help.

    `needs_operator`: only after the operator has acted, for example emptied a disk.
    """

    def __init__(self, detail: str, *, retryable: bool, needs_operator: bool = False) -> None:
        super().__init__(detail)
        self.retryable = retryable
        self.needs_operator = needs_operator

    @classmethod
    def of(cls, error: OSError) -> "StorageError":
        """This machine's disk refuses the video."""
        needs_operator = error.errno in (ENOSPC, EDQUOT, EROFS, EACCES, EPERM)
        return cls(str(error), retryable=True, needs_operator=needs_operator)


class VideoStorage(Protocol):
    def upload_video(self, *, name: str, path: Path, poster: Path | None) -> StoredVideo:
        """Store the MP4 at `path` under `name`, replacing the file of an earlier try.

        Raises StorageError.
        """
        ...

    def delete_video(self, *, name: str) -> None:
        """Delete the video and its poster, if they are there. Raises StorageError."""
        ...

    def stored_before(self, *, moment: datetime) -> Iterator[UUID]:
        """The jobs of all files that were last written before `moment`. Raises StorageError."""
        ...


def video_name(job_id: UUID) -> str:
    """Without ending."""
    return f"{FOLDER}/{job_id}"


def job_of(stem: str) -> UUID | None:
    """The job of a file in FOLDER; None if this service did not write it."""
    try:
        job_id = UUID(stem)
    except ValueError:
        return None
    return job_id if str(job_id) == stem else None
