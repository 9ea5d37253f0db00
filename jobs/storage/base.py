"""What the pipeline knows of the place where videos end up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredVideo:
    """A video that can be watched: `url` and `poster_url` are relative where we deliver it."""

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
        """Store the MP4 at `path` under `name`, over what a try before it left there.

        Raises StorageError.
        """
        ...
