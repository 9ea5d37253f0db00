"""Check an uploaded image and re-encode it, or raise InvalidImage.

Only the content counts: the name and the declared type of an upload cannot be trusted. Every image
is decoded and encoded again, which proves that it is complete, strips EXIF and GPS, applies the
rotation in the EXIF data, and leaves a JPEG of at most 1920 pixels on a side, the most that
Veo makes use of.
"""

import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 10_000_000
MAX_PIXELS = 40_000_000
MAX_SIDE = 1920  # pixels, after re-encoding
FORMATS = ("JPEG", "PNG", "WEBP")

# Each scan of a JPEG is one pass of the decoder over the whole image. libjpeg's progressive scripts
# have 10 scans for YCbCr, 6 for gray and 18 for CMYK (jcparam.c, jpeg_simple_progression). mozjpeg
# tries 64 (jcparam.c, jpeg_search_progression) and writes at most 16 of them (jcmaster.c).
MAX_SCANS = 32
MAX_SEGMENTS = 10_000  # a 10 MB file of full segments has 153; an ICC profile takes at most 255
# Before the first scan Pillow reads each byte outside segments by a call of its own: 10 MB take
# seconds. Within scans libjpeg reads a run of FF from its start whenever Pillow hands it more data.
MAX_FILLER_BYTES = 65_536

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
# Pillow searches the segments of C8 and F0 to FD for markers, byte by byte; libjpeg refuses them.
WITHOUT_LENGTH = {SOI, EOI, 0xC8, *range(0xF0, 0xFE)}
MARKERS = {
    *range(0xC0, 0xD0),
    *range(0xD8, 0xFF),
}  # RST0 to RST7 occur inside scans
BYTE_KINDS = bytes(0xFF if byte == 0xFF else byte in MARKERS for byte in range(256))


_decoders = threading.BoundedSemaphore(2)


class InvalidImage(Exception):
    """The upload is not an acceptable image; the text is one sentence for a person."""


@dataclass(frozen=True)
class Image:
    """A JPEG (`width` x `height` pixels) and `sha256`, the hex digest of the file it came from."""

    content: bytes
    width: int
    height: int
    sha256: str = ""
    mime_type: str = "image/jpeg"


def prepare(*, upload: Any, size: int) -> Image:
    """Check and re-encode `upload`, a seekable file of `size` bytes.

    Raises InvalidImage. The pixels of an image take up to 160 MB, so each process decodes two
    images at a time.
    """
    with _decoders:
        return _prepare(upload, size)


def _prepare(upload: Any, size: int) -> Image:
    from PIL import Image as Pillow  # not at start-up: most requests bring no image

    if size > MAX_BYTES:
        raise InvalidImage("must be at most 10 MB")
    _check_scans(upload)
    try:
        with Pillow.open(upload, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise InvalidImage("must have at most 40 megapixels")
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG only: decodes at about this size
            picture.load()
            picture.thumbnail((MAX_SIDE, MAX_SIDE))
            flat = _without_transparency(_upright(picture))
    except InvalidImage:
        raise
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise InvalidImage("must have at most 40 megapixels") from error
    except Pillow.UnidentifiedImageError as error:
        raise InvalidImage("must be a JPEG, PNG or WebP image") from error
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError and others
        raise InvalidImage("is damaged or incomplete") from error
    flat.info = {}  # else a comment would be saved too
    encoded = io.BytesIO()
    flat.save(encoded, "JPEG", quality=95, subsampling=0)
    upload.seek(0)
    return Image(
        content=encoded.getvalue(),
        width=flat.width,
        height=flat.height,
        sha256=hashlib.file_digest(upload, "sha256").hexdigest(),
    )


def _check_scans(upload: Any) -> None:
    """Refuse a JPEG that takes long to decode: many scans, segments, or bytes between them."""
    upload.seek(0)
    content = upload.read()
    if not content.startswith(b"\xff\xd8\xff"):  # how Pillow recognizes a JPEG or an MPO
        return
    scans = filler = 0
    for number, (marker, start, end) in enumerate(_markers(content), start=1):
        # Within a scan no FF follows an FF.
        filler += 2 * content.count(b"\xff\xff", start, end) if scans else end - start
        if filler > MAX_FILLER_BYTES:
            raise InvalidImage("must be a JPEG with at most 64 kB of filler bytes")
        scans += marker == SOS
        if marker == EOI and scans:  # before any scan, libjpeg continues with the next SOI
            return
        if scans > MAX_SCANS:
            raise InvalidImage(f"must be a JPEG with at most {MAX_SCANS} scans")
        if number > MAX_SEGMENTS:
            raise InvalidImage(f"must be a JPEG with at most {MAX_SEGMENTS:,} segments")


def _markers(content: bytes) -> Iterator[tuple[int, int, int]]:
    """All markers of a JPEG that libjpeg finds (jdmarker.c, jdhuff.c).

    Each comes with the start and the end of the bytes between it and the previous segment. The end
    of the file counts as an EOI. libjpeg looks for the next FF that is followed by neither 00 nor
    FF, wherever it is: after a segment, within a scan, in garbage. It skips a segment by its
    length, and nothing if that is below 2. It treats RST and markers below C0 as part of a scan.
    Where libjpeg would stop with an error, this function continues, so it can only count too many
    scans, never too few.
    """
    kinds = content.translate(BYTE_KINDS)
    start = 2
    while (at := kinds.find(b"\xff\x01", start)) >= 0:
        marker = content[at + 1]
        yield marker, start, at
        start = at + 2
        if marker not in WITHOUT_LENGTH:
            start += max(2, int.from_bytes(content[start : start + 2]))
    yield EOI, start, max(start, len(content))


def _upright(picture):
    """The picture, rotated as its EXIF data says; unchanged if that data is damaged."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # the EXIF parser raises SyntaxError, struct.error and others
        return picture


def _without_transparency(picture):
    """The picture in RGB, with white in place of transparency."""
    from PIL import Image as Pillow

    if picture.mode == "I;16":  # Pillow would clip 16 bits at 255, so all would be white
        picture = picture.point(lambda level: level / 256).convert("L")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Pillow.new("RGB", picture.size, "white")
    layer = picture.convert("RGBA")
    paper.paste(layer, mask=layer)
    return paper
