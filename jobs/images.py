"""An uploaded file becomes checked, whole, re-encoded image bytes, or a named refusal.

Judged by content alone: the name and the declared type of an upload are a stranger's word. Every
image is decoded and encoded anew, which proves that it is whole, strips EXIF and GPS, applies the
rotation that EXIF asked for, and leaves a JPEG of at most 1920 pixels on a side, the most that
Veo makes use of.
"""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 10_000_000
MAX_PIXELS = 40_000_000
MAX_SIDE = 1920  # pixels, after re-encoding
FORMATS = ("JPEG", "PNG", "WEBP")


class BadImage(Exception):
    """The upload is not an image that the service takes; the text is one sentence for a person."""


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

    Raises BadImage. Memory: the pixels of one image, at most 40 million, at a time.
    """
    from PIL import Image as Pillow  # not at start-up: most requests bring no image

    if size > MAX_BYTES:
        raise BadImage("must be at most 10 MB")
    try:
        with Pillow.open(upload, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadImage("must have at most 40 megapixels")
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG only: decodes straight to about this
            picture.load()
            picture.thumbnail((MAX_SIDE, MAX_SIDE))
            flat = _without_transparency(_upright(picture))
    except BadImage:
        raise
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise BadImage("must have at most 40 megapixels") from error
    except Pillow.UnidentifiedImageError as error:
        raise BadImage("must be a JPEG, PNG or WebP image") from error
    except Exception as error:  # a decoder's way to say no: OSError, ValueError, SyntaxError, ...
        raise BadImage("is damaged or incomplete") from error
    flat.info = {}  # a comment would go along
    encoded = io.BytesIO()
    flat.save(encoded, "JPEG", quality=95, subsampling=0)
    upload.seek(0)
    return Image(
        content=encoded.getvalue(),
        width=flat.width,
        height=flat.height,
        sha256=hashlib.file_digest(upload, "sha256").hexdigest(),
    )


def _upright(picture):
    """The picture turned as its EXIF asks; as it is where that is damaged, which is no loss."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # of the EXIF parser: SyntaxError, struct.error, ...
        return picture


def _without_transparency(picture):
    """The picture in RGB, on white where it was transparent."""
    from PIL import Image as Pillow

    if picture.mode == "I;16":  # Pillow would cut 16 bits off at 255, which leaves all white
        picture = picture.point(lambda level: level / 256).convert("L")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Pillow.new("RGB", picture.size, "white")
    layer = picture.convert("RGBA")
    paper.paste(layer, mask=layer)
    return paper
