"""What the pipeline knows of the place where videos end up."""

import struct
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


class NotAVideo(Exception):
    """The file is not a whole MP4."""


class VideoStorage(Protocol):
    def upload_video(self, *, name: str, path: Path, poster: Path | None) -> StoredVideo:
        """Store the MP4 at `path` under `name`, over what a try before it left there.

        Raises StorageError.
        """
        ...


def check_mp4(path: Path) -> None:
    """Raise NotAVideo unless the boxes of the file at `path` begin with ftyp, hold a moov, and end
    where the file ends (ISO/IEC 14496-12, 4.2). Reads the boxes' headers only."""
    size = path.stat().st_size
    kinds: list[bytes] = []
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            header = file.read(16)
            if len(header) < 8:
                raise NotAVideo("it ends within a box's header")
            length, kind = struct.unpack(">I4s", header[:8])
            if not kinds and kind != b"ftyp":
                raise NotAVideo("it does not begin as an MP4")
            if length == 1 and len(header) == 16:
                length = struct.unpack(">Q", header[8:])[0]
            elif length == 0:
                length = size - at
            if length < 8:
                raise NotAVideo("a box has no length")
            kinds.append(kind)
            at += length
    if at != size or b"moov" not in kinds:
        raise NotAVideo("it is cut off")
