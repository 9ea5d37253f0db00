"""Read enough of MP4 (ISO/IEC 14496-12) to detect a truncated or damaged video."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


class NotAVideo(Exception):
    """The file is not a complete MP4."""


@dataclass(frozen=True)
class Box:
    """`kind`, and where its content begins and ends in the file (bytes)."""

    kind: bytes
    start: int
    end: int


def check(path: Path) -> None:
    """Raise NotAVideo unless the boxes begin with ftyp, include moov, and end where the file ends.

    Reads the boxes' headers only.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        boxes = list(_boxes(file, 0, size))
    if not boxes or boxes[0].kind != b"ftyp":
        raise NotAVideo("it does not begin as an MP4")
    if boxes[-1].end != size or not any(box.kind == b"moov" for box in boxes):
        raise NotAVideo("it is cut off")


def measure(path: Path) -> tuple[int, int, float]:
    """Width and height in pixels and length in seconds, from the file's headers."""
    with path.open("rb") as file:
        size = path.stat().st_size
        length = 0.0
        width = height = 0
        for box in _walk(file, 0, size, (b"moov", b"trak")):
            file.seek(box.start)
            content = file.read(min(box.end - box.start, 128))
            if box.kind == b"mvhd":
                scale, ticks = struct.unpack_from(
                    *(">IQ", content, 20) if content[0] else (">II", content, 12)
                )
                length = ticks / scale
            elif box.kind == b"tkhd" and not width:  # sound tracks have no size
                at = 88 if content[0] else 76
                width, height = (n >> 16 for n in struct.unpack_from(">II", content, at))
    return width, height, length


def _walk(file: BinaryIO, start: int, end: int, containers: tuple[bytes, ...]) -> Iterator[Box]:
    """All boxes, including those inside boxes whose kind is among `containers`."""
    for box in _boxes(file, start, end):
        yield box
        if box.kind in containers:
            yield from _walk(file, box.start, box.end, containers)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets. The last one may end beyond `end` if the file is truncated."""
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
