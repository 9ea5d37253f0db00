"""The interface between the workers and the storage for videos."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from pathlib import Path
from typing import Protocol
from uuid import UUID

from django.utils.crypto import salted_hmac

FOLDER = "ai_studio/videos"
DELETE_THREADS = 8  # of one worker process
NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-[0-9a-f]{32})?")


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


def video_name(job_id: UUID) -> str:
    """The name of a job's video, the same for each try.

    The id, which a public page may show, must not be enough to compute the name, because anyone who
    knows the video's URL can see it.
    """
    secret = salted_hmac(__name__, str(job_id), algorithm="sha256").hexdigest()[:32]
    return f"{FOLDER}/{job_id}-{secret}"


class VideoStorage(Protocol):
    def upload_video(self, *, name: str, path: Path, poster: Path | None) -> StoredVideo:
        """Store the MP4 at `path` under `name`, replacing the file of an earlier try.

        Raises StorageError.
        """
        ...

    def delete_video(self, *, name: str) -> None:
        """Delete the video and its poster, if they are there. Raises StorageError."""
        ...

    def stored_before(self, *, moment: datetime) -> Iterator[str]:
        """The names of all videos of jobs that were last written before `moment`.

        Raises StorageError.
        """
        ...


def job_of(name: str) -> UUID | None:
    """The job of a video's name, with or without FOLDER; None if this service does not write such
    names. Videos of earlier versions have the id alone.
    """
    found = NAME.fullmatch(name.removeprefix(f"{FOLDER}/"))
    return UUID(found[1]) if found else None
