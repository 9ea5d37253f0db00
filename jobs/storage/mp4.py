"""As much of MP4 (ISO/IEC 14496-12) as it takes to know a whole video from a broken one."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


class NotAVideo(Exception):
    """The file is not a whole MP4."""


@dataclass(frozen=True)
class Box:
    """`kind`, and where its content begins and ends in the file (bytes)."""

    kind: bytes
    start: int
    end: int


def check(path: Path) -> None:
    """Raise NotAVideo unless the boxes begin with ftyp, hold a moov, and end where the file ends.

    Reads the boxes' headers only.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        boxes = list(_boxes(file, 0, size))
    if not boxes or boxes[0].kind != b"ftyp":
        raise NotAVideo("it does not begin as an MP4")
    if boxes[-1].end != size or not any(box.kind == b"moov" for box in boxes):
        raise NotAVideo("it is cut off")


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes between two places of the file; the last may end beyond, where it is cut off."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        header = file.read(16)
        length, kind = struct.unpack(">I4s", header[:8])
        head = 8
        if length == 1 and len(header) == 16:
            length, head = struct.unpack(">Q", header[8:])[0], 16
        elif length == 0:  # to the end of the file
            length = end - at
        if length < head:
            raise NotAVideo("a box has no length")
        yield Box(kind=kind, start=at + head, end=at + length)
        at += length
