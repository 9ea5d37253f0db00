"""Check that an MP4 file (ISO/IEC 14496-12) is complete."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


class NotAVideo(Exception):
    """The file is not a complete MP4."""


@dataclass(frozen=True)
class Box:
    """`kind`, and where the content begins and ends in the file (bytes)."""

    kind: bytes
    start: int
    end: int


def check(path: Path) -> None:
    """Raise NotAVideo unless the first box is ftyp, one is moov, and the last ends with the file.

    Reads only the headers of the boxes.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        boxes = list(_boxes(file, 0, size))
    if not boxes or boxes[0].kind != b"ftyp":
        raise NotAVideo("the file does not start as an MP4")
    if boxes[-1].end != size or not any(box.kind == b"moov" for box in boxes):
        raise NotAVideo("the file is incomplete")


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets; the last may end beyond `end` if the file is cut off."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        header = file.read(16)
        length, kind = struct.unpack(">I4s", header[:8])
        head = 8
        if length == 1 and len(header) == 16:
            length, head = struct.unpack(">Q", header[8:])[0], 16
        elif length == 0:  # until the end of the file
            length = end - at
        if length < head:
            raise NotAVideo("a box has no length")
        yield Box(kind=kind, start=at + head, end=at + length)
        at += length
