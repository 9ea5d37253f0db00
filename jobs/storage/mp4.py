"""Check that an MP4 file (ISO/IEC 14496-12) is complete."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class NotAVideo(Exception):
    """The file is not a complete MP4."""


def check(path: Path) -> None:
    """Raise NotAVideo unless the first box is ftyp, one is moov, and the last ends with the file.

    Reads only the headers of the boxes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        boxes = list(_boxes(file, size))
    if not boxes or boxes[0][0] != b"ftyp":
        raise NotAVideo("the file does not start as an MP4")
    if boxes[-1][1] != size or not any(kind == b"moov" for kind, _ in boxes):
        raise NotAVideo("the file is incomplete")


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each box; the last may end beyond the file if that is cut off."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length, kind = struct.unpack(">I4s", header[:8])
        head = 8
        if length == 1 and len(header) == 16:
            length, head = struct.unpack(">Q", header[8:])[0], 16
        elif length == 0:  # until the end of the file
            length = size - at
        if length < head:
            raise NotAVideo("a box has no length")
        yield kind, at + length
        at += length
