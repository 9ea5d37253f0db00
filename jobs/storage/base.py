"""The interface between the workers and the storage for videos."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

UPLOAD_THREADS = 8  # of one worker process; each stores one video at a time


@dataclass(frozen=True)
class StoredVideo:
    """A stored video. `url` and `poster_url` are relative if this server delivers it."""

    name: str
    url: str
    poster_url: str
    bytes: int


class StorageError(Exception):
    """The video could not be stored. `retryable`: trying again may help."""

    def __init__(self, detail: str, *, retryable: bool) -> None:
        super().__init__(detail)
        self.retryable = retryable


class VideoStorage(Protocol):
    def upload_video(self, *, name: str, path: Path, poster: Path | None) -> StoredVideo:
        """Store the MP4 at `path` under `name`, replacing the file of an earlier try.

        Raises StorageError.
        """
        ...
