"""An image file without its metadata, and limits on what decoding it may cost.

Pillow reads metadata in Python, and decompresses some of it: a PNG of 10 MB with profiles of zeros
takes 20 seconds. So only the parts that make up the picture reach Pillow. From the EXIF data
only the rotation is read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Each scan of a JPEG is one pass of the decoder over the whole image. libjpeg's progressive scripts
# have 10 scans for YCbCr, 6 for gray and 18 for CMYK (jcparam.c, jpeg_simple_progression). mozjpeg
# tries 64 (jcparam.c, jpeg_search_progression) and writes at most 16 of them (jcmaster.c).
MAX_SCANS = 32
# Of a JPEG, or chunks of a PNG or WebP. A 10 MB JPEG of full segments has 153; an ICC profile takes
# at most 255. libpng writes chunks of 8 kB.
MAX_SEGMENTS = 10_000
# Before the first scan Pillow reads each byte outside segments by a call of its own: 10 MB take
# seconds. Within scans libjpeg reads a run of FF from its start whenever Pillow hands it more data.
MAX_FILLER_BYTES = 65_536

PART = 65_536  # bytes that are searched for a marker at once

RST0, SOI, EOI, SOS, APP0, APP1, APP14, COM = 0xD0, 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
METADATA = {*range(APP0 + 1, APP14), APP14 + 1, COM}  # APP0 and APP14 name the colour space
# Arithmetic coding takes ten times as long as Huffman codes, and no browser knows it. The others
# are lossless or hierarchical.
UNUSUAL_FRAMES = {*range(0xC3, 0xD0)} - {0xC4, 0xC8, 0xCC}
# Pillow searches the segments of C8 and F0 to FD for markers, byte by byte; libjpeg refuses them.
WITHOUT_LENGTH = {SOI, EOI, 0xC8, *range(0xF0, 0xFE)}
MARKERS = {*range(0xC0, 0xD0), *range(0xD8, 0xFF)}  # RST0 to RST7 occur inside scans
BYTE_KINDS = bytes(0xFF if byte == 0xFF else byte in MARKERS for byte in range(256))

EXIF_HEADER = b"Exif\0\0"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}  # of an animation, the first frame
PNG_DEPTH = 24  # the offset of IHDR's bit depth
ORIENTATION = 0x0112  # a tag of TIFF 6.0


class InvalidImage(Exception):
    """The upload is not an acceptable image; the text is one sentence for a person."""


@dataclass(frozen=True)
class Picture:
    """A file without metadata, and the EXIF `orientation`, from 1 (upright) to 8.

    `has_16_bits`: a PNG with 16 bits for each channel.
    """

    content: bytes
    orientation: int = 1
    has_16_bits: bool = False


def without_metadata(content: bytes) -> Picture:
    """Raises InvalidImage if decoding the file would take too long. Does not decode it."""
    if content.startswith(b"\xff\xd8\xff"):  # how Pillow recognizes a JPEG or an MPO
        return _jpeg(content)
    if content.startswith(PNG_SIGNATURE):
        return _png(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _webp(content)
    return Picture(content)


def _jpeg(content: bytes) -> Picture:
    """Refuse a JPEG that takes long to decode: many scans, segments, or bytes between them."""
    kept, kept_until, exif = [], 0, b""
    scans = filler = 0
    for number, (marker, start, end, after) in enumerate(_markers(content), start=1):
        # Within a scan no FF follows an FF.
        filler += 2 * content.count(b"\xff\xff", start, end) if scans else end - start
        if filler > MAX_FILLER_BYTES:
            raise InvalidImage("must be a JPEG with at most 64 kB of filler bytes")
        if marker in UNUSUAL_FRAMES:
            raise InvalidImage("must be a baseline or progressive JPEG")
        if marker in METADATA and not scans:
            kept.append(content[kept_until:end])
            kept_until = after
            if marker == APP1 and content.startswith(EXIF_HEADER, end + 4):
                exif = exif or content[end + 4 : after]
        scans += marker == SOS
        if marker == EOI and scans:  # before any scan, libjpeg continues with the next SOI
            break
        if scans > MAX_SCANS:
            raise InvalidImage(f"must be a JPEG with at most {MAX_SCANS} scans")
        if number > MAX_SEGMENTS:
            raise InvalidImage(f"must be a JPEG with at most {MAX_SEGMENTS:,} segments")
    return Picture(b"".join([*kept, content[kept_until:]]), _orientation(exif))


def _markers(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """All markers of a JPEG that libjpeg finds (jdmarker.c, jdhuff.c).

    Each comes with the start and the end of the bytes between it and the previous segment, and the
    end of its own segment. The end of the file counts as an EOI. libjpeg looks for the next FF that
    is followed by neither 00 nor FF, wherever it is: after a segment, within a scan, in garbage. It
    skips a segment by its length, and nothing if that is below 2. It treats RST and markers below
    C0 as part of a scan. Where libjpeg would stop with an error, this function continues, so it can
    only count too many scans, never too few.

    Each PART without a marker comes as an RST0, so that the caller can refuse a file early.
    """
    kinds = content.translate(BYTE_KINDS)
    start = 2
    while start < len(content):
        at = kinds.find(b"\xff\x01", start, start + PART + 1)
        if at < 0:
            yield RST0, start, min(start + PART, len(content)), start + PART
            start += PART
            continue
        marker = content[at + 1]
        after = at + 2
        if marker not in WITHOUT_LENGTH:
            after += max(2, int.from_bytes(content[after : after + 2]))
        yield marker, start, at, after
        start = after
    yield EOI, start, max(start, len(content)), len(content)


def _png(content: bytes) -> Picture:
    kept, exif = [PNG_SIGNATURE], b""
    for kind, start, end in _chunks(content, len(PNG_SIGNATURE), ">I4s", trailer=4):
        if kind in PNG_PICTURE:
            kept.append(content[start:end])
        elif kind == b"eXIf":
            exif = exif or content[start + 8 : end - 4]
        if kind == b"IEND":
            break
    has_16_bits = content[PNG_DEPTH : PNG_DEPTH + 1] == b"\x10"
    return Picture(b"".join(kept), _orientation(exif), has_16_bits)


def _webp(content: bytes) -> Picture:
    """Unchanged: libwebp skips metadata without reading it, and Pillow reads it only on request."""
    exif = b""
    for kind, start, end in _chunks(content, 12, "<4sI", padding=2):
        if kind == b"EXIF":
            exif = exif or content[start + 8 : end]
    return Picture(content, _orientation(exif))


def _chunks(
    content: bytes, at: int, header: str, *, trailer: int = 0, padding: int = 1
) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk of a PNG or WebP. The last may be cut off."""
    number = 0
    while at + 8 <= len(content):
        number += 1
        if number > MAX_SEGMENTS:
            raise InvalidImage(f"must be a file with at most {MAX_SEGMENTS:,} chunks")
        fields = struct.unpack_from(header, content, at)
        length, kind = fields if trailer else reversed(fields)
        end = at + 8 + length + trailer
        yield kind, at, end
        at = end + -length % padding


def _orientation(exif: bytes) -> int:
    """1 if there is none, or if the data is damaged."""
    exif = exif.removeprefix(EXIF_HEADER)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        [start] = struct.unpack_from(f"{order}I", exif, 4)
        [count] = struct.unpack_from(f"{order}H", exif, start)
        for number in range(count):
            tag, value = struct.unpack_from(f"{order}H6xH", exif, start + 2 + 12 * number)
            if tag == ORIENTATION:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
