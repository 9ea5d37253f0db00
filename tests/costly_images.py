"""Small files that take a decoder long, each at the limits for an upload."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

from PIL import Image

MAX_BYTES = 9_900_000
SIDE = 6_320  # of a square of 40 megapixels
PAETH = 4  # the PNG filter that takes longest
HUFFMAN, ARITHMETIC = 0xC2, 0xCA  # frames of a progressive JPEG
SCANS = 32
TAGS = 60_000


def png_chunk(kind: bytes, data: bytes = b"") -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def png(*more: bytes, width: int = 8, height: int = 8, depth: int = 8, channels: int = 3) -> bytes:
    """A PNG with `more` chunks. Its pixels are chaotic, though they compress well."""
    colour = {1: 0, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    size = width * channels * depth // 8
    block = random.Random(3).randbytes(min(size, 30_000))
    line = bytes([PAETH]) + (block * (size // len(block) + 1))[:size]
    pixels = zlib.compressobj()
    data = b"".join(pixels.compress(line) for _ in range(height)) + pixels.flush()
    chunks = [png_chunk(b"IHDR", header), *more, png_chunk(b"IDAT", data), png_chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def fill(chunk: bytes, *, most: int = MAX_BYTES) -> bytes:
    return chunk * (most // len(chunk))


def bomb(kind: bytes, head: bytes) -> bytes:
    """A chunk of a kilobyte that holds a megabyte of zeros."""
    return png_chunk(kind, head + zlib.compress(bytes(1_000_000), 9))


def exif(bytes_of_a_tag: int = 30) -> bytes:
    """EXIF data with 60,000 tags that share one value, of which Pillow makes 60,000 copies."""
    tags = b"".join(struct.pack("<HHII", tag, 7, bytes_of_a_tag, 0) for tag in range(1, TAGS))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", TAGS - 1) + tags + bytes(4)


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*more: bytes) -> bytes:
    whole = encoded("JPEG")
    return whole[:2] + b"".join(more) + whole[2:]


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or Image.new("RGB", (8, 8))).save(file, kind, **options)
    return file.getvalue()


def progressive(frame: int, *, components: int = 1, scans: int = SCANS) -> bytes:
    """A JPEG of 40 megapixels whose scans refine every coefficient, in 2 kB each."""
    blocks = ((SIDE + 7) // 8) ** 2
    ids = range(1, components + 1)
    shape = struct.pack(">BHHB", 8, SIDE, SIDE, components)
    parts = [
        b"\xff\xd8",
        segment(0xDB, b"\0" + bytes([1] * 64)),
        segment(frame, shape + b"".join(bytes([id, 0x11, 0]) for id in ids)),
        segment(0xC4, b"\0\1" + bytes(16)),  # the code "0": no difference to the last block
        segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0"),  # the code "0": up to 32,767 empty blocks
        segment(0xDA, bytes([components]) + b"".join(bytes([id, 0]) for id in ids) + bytes(3)),
        bytes(blocks * components // 8 + 1),
    ]
    run = "0" + "1" * 14
    codes = run * (blocks // 32_767 + 1) + "1" * 7
    data = (
        int(codes[: len(codes) // 8 * 8], 2).to_bytes(len(codes) // 8).replace(b"\xff", b"\xff\0")
    )
    for number in range(scans - 1):
        refines = number >= components
        bits = 0x10 if refines else 0x01  # of the coefficients: the second last, or the last
        parts += [segment(0xDA, bytes([1, 1 + number % components, 0, 1, 63, bits])), data]
    return b"".join([*parts, b"\xff\xd9"])


def webp_chunk(kind: bytes, data: bytes = b"") -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp(*more: bytes, side: int = 16) -> bytes:
    """An animation whose first frame has 16 pixels on a side."""
    canvas = bytes([2, 0, 0, 0]) + (side - 1).to_bytes(3, "little") * 2
    picture = encoded("WEBP", Image.new("RGB", (16, 16)))[12:]
    frame = bytes(6) + (15).to_bytes(3, "little") * 2 + bytes(4) + picture
    chunks = [webp_chunk(b"VP8X", canvas), webp_chunk(b"ANIM", bytes(6))]
    body = b"WEBP" + b"".join([*chunks, webp_chunk(b"ANMF", frame), *more])
    return b"RIFF" + struct.pack("<I", len(body)) + body


SEGMENTS: dict[str, Callable[[], bytes]] = {
    "PNG, profiles of zeros": lambda: png(fill(bomb(b"iCCP", b"a\0\0"))),
    "PNG, texts of zeros": lambda: png(fill(bomb(b"zTXt", b"a\0\0"))),
    "PNG, international texts of zeros": lambda: png(fill(bomb(b"iTXt", b"a\0\1\0\0\0"))),
    "PNG, empty texts": lambda: png(fill(png_chunk(b"tEXt"))),
    "PNG, empty unknown chunks": lambda: png(fill(png_chunk(b"abCd"))),
    "PNG, empty frames": lambda: png(fill(png_chunk(b"fdAT"))),
    "PNG, EXIF of 60,000 tags": lambda: png(png_chunk(b"eXIf", exif())),
    "WebP, EXIF of 60,000 tags": lambda: webp(webp_chunk(b"EXIF", exif())),
    "WebP, empty unknown chunks": lambda: webp(fill(webp_chunk(b"abcd"))),
    "WebP, small frame on a large canvas": lambda: webp(side=SIDE),
    "WebP, canvas of 268 megapixels": lambda: webp(side=16_383),
    "JPEG, EXIF in 9,900 segments": lambda: jpeg(segment(0xE1, b"Exif\0\0" + bytes(900)) * 9_900),
    "JPEG, EXIF of 5,000 tags": lambda: jpeg(segment(0xE1, b"Exif\0\0" + exif()[:60_000])),
    "JPEG, arithmetic coding": lambda: progressive(ARITHMETIC),
    "JPEG, 32 scans": lambda: progressive(HUFFMAN),
}


def of_many_pixels() -> Iterator[tuple[str, bytes]]:
    """As many pixels as an upload may have; the decoders' inner loops take the time."""
    square = {"width": SIDE, "height": SIDE}
    yield "PNG, RGBA, 40 MP", png(**square, channels=4)
    yield "PNG, RGB, 40 MP", png(**square)
    yield "PNG, RGB, 40 million pixels in a row", png(width=40_000_000, height=1)
    yield "PNG, RGBA of 16 bits, 20 MP", png(width=625, height=32_000, depth=16, channels=4)
    yield "PNG, RGBA of 16 bits, 40 MP", png(width=625, height=64_000, depth=16, channels=4)
    for components in (3, 4):
        yield f"JPEG, 32 scans of {components}", progressive(HUFFMAN, components=components)
    noise = Image.effect_noise((SIDE, SIDE), 3)
    for mode in ("L", "RGB", "CMYK"):
        for is_progressive in (False, True):
            content = encoded("JPEG", noise.convert(mode), quality=30, progressive=is_progressive)
            yield f"JPEG, {mode}{', progressive' * is_progressive}", content
    coarse = Image.effect_noise((SIDE // 8, SIDE // 8), 60).resize((SIDE, SIDE)).convert("RGB")
    yield "WebP, lossy", encoded("WEBP", coarse, quality=50, method=0)
    gradient = Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB")
    yield "WebP, lossless", encoded("WEBP", gradient, lossless=True, quality=30, method=1)
