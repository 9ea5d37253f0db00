"""Check an uploaded image and re-encode it, or raise InvalidImage.

Only the content counts: the name and the declared type of an upload cannot be trusted. Every image
is decoded and encoded again, which proves that it is complete, strips EXIF and GPS, applies the
rotation in the EXIF data, and makes a JPEG of at most 1920 pixels on a side, the most that
Veo uses.
"""

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jobs.image_files import InvalidImage, Picture, without_metadata

MAX_BYTES = 10_000_000
MAX_PIXELS = 40_000_000
# The pixels of several images, and twice those of their re-encoded versions: 1.8 s of CPU at worst.
MAX_PIXELS_OF_A_REQUEST = 54_000_000
MAX_SIDE = 1920  # pixels, after re-encoding
DEEP = ", or 20 if it is a PNG with 16 bits for each channel"
FORMATS = ("JPEG", "PNG", "WEBP")

_decoders = threading.BoundedSemaphore(2)
_pixels_before: ContextVar[list[int] | None] = ContextVar("pixels_before", default=None)


@dataclass(frozen=True)
class Image:
    """A JPEG (`width` x `height` pixels) and `sha256`, the hex digest of the file it came from."""

    content: bytes
    width: int
    height: int
    sha256: str = ""
    mime_type: str = "image/jpeg"


@contextmanager
def of_one_request() -> Iterator[None]:
    """Limits the total size of the images prepared within, because each may take a second."""
    token = _pixels_before.set([])
    try:
        yield
    finally:
        _pixels_before.reset(token)


def prepare(*, upload: Any) -> Image:
    """Check and re-encode `upload`, a seekable file of at most MAX_BYTES.

    Raises InvalidImage. The pixels of an image take up to 160 MB, so each process decodes two
    images at a time.
    """
    with _decoders:
        return _prepare(upload)


def _prepare(upload: Any) -> Image:
    from PIL import Image as Pillow  # not at start-up: most requests bring no image

    upload.seek(0)
    content = upload.read()
    file = without_metadata(content)
    try:
        with Pillow.open(io.BytesIO(file.content), formats=FORMATS) as picture:
            _check_pixels(picture, file)
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG only: decodes at about this size
            picture.load()
            flat = _without_transparency(_upright(_reduced(picture), file))
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
    return Image(
        content=encoded.getvalue(),
        width=flat.width,
        height=flat.height,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _check_pixels(picture: Any, file: Picture) -> None:
    pixels = picture.width * picture.height
    if file.has_16_bits:
        pixels *= 2
    if pixels > MAX_PIXELS:
        raise InvalidImage(f"must have at most 40 megapixels{DEEP if file.has_16_bits else ''}")
    before = _pixels_before.get()
    if before is None:
        return
    before.append(pixels + 2 * min(pixels, MAX_SIDE * MAX_SIDE))
    if len(before) > 1 and sum(before) > MAX_PIXELS_OF_A_REQUEST:
        raise InvalidImage(
            "is too large with the others: send several images with at most 10 megapixels each"
        )


def _reduced(picture: Any) -> Any:
    """At most MAX_SIDE on a side. Pillow itself resizes pictures with transparency at full size."""
    if picture.mode == "I;16":  # Pillow would clip 16 bits at 255, so all would be white
        picture = picture.point(lambda level: level / 256).convert("L")
    factor = max(picture.size) // MAX_SIDE
    if factor > 1 and picture.mode in ("LA", "RGBA"):
        picture = picture.reduce(factor)
    picture.thumbnail((MAX_SIDE, MAX_SIDE), reducing_gap=1.0)
    return picture


def _upright(picture: Any, file: Picture) -> Any:
    """The picture, rotated as its EXIF data says."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return picture.transpose(turns[file.orientation]) if file.orientation > 1 else picture


def _without_transparency(picture: Any) -> Any:
    """The picture in RGB, with white in place of transparency."""
    from PIL import Image as Pillow

    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Pillow.new("RGB", picture.size, "white")
    layer = picture.convert("RGBA")
    paper.paste(layer, mask=layer)
    return paper
