"""Invalid images: each a 400 that names its field; nothing is stored."""

import io
import struct
from contextlib import suppress
from time import process_time

import pytest
from PIL import Image

from jobs import image_files, input_images
from tests import costly_images
from tests.api import assert_fault
from tests.jobs.domain.test_input_images import SCAN, of_scans, png
from tests.uploads import encoded, picture, upload

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("nothing_happens"), pytest.mark.slow]
NO_IMAGE = "must be a JPEG, PNG or WebP image"
DAMAGED = "is damaged or incomplete"
TOO_LARGE = "must be at most 10 MB"
TOO_MANY_PIXELS = "must have at most 40 megapixels"
TOO_MANY_IN_ALL = (
    "is too large with the others: send several images with at most 10 megapixels each"
)
TOO_MANY_SCANS = "must be a JPEG with at most 32 scans"
TOO_MUCH_FILLER = "must be a JPEG with at most 64 kB of filler bytes"
TOO_MANY_SEGMENTS = "must be a JPEG with at most 10,000 segments"
FIELDS = {
    "initialImage": "Initial image",
    "endFrame": "End frame",
    "referenceImages": "Reference image",
}


@pytest.fixture
def refused(client):
    """`refused(content)`: what is said about this file as the initial image."""
    return lambda content, *name_and_type: refusal_in(
        client, "initialImage", upload(content, *name_and_type)
    )


def refusal_in(client, field, file):
    fields = {"initialImage": picture()} if field == "endFrame" else {}
    body = assert_fault(client.create(**fields | {field: file}), field=field)
    [error] = body["errors"]
    name, _, said = error["message"].partition(FIELDS[field])
    assert not name
    return said.strip()


class TestFile:
    def test_other_image_format_is_refused(self, refused):
        for kind in ("GIF", "BMP", "TIFF", "ICO", "PDF", "EPS"):
            assert refused(encoded(Image.new("RGB", (64, 48)), kind)) == NO_IMAGE, kind

    def test_content_that_is_no_image_is_refused(self, refused):
        for content in (
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
            b"<!doctype html><script>alert(1)</script>",
            b"GIF89a\1\0\1\0\0\0\0;",
            b"\0\0\0\x20ftypheic" + b"\0" * 500,
            b"\0\0\0\x20ftypavif" + b"\0" * 500,
            b"%!PS-Adobe\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run",
            b"a text that was renamed",
            b"x",
            b"\x89PNG",
            b"RIFF\x10\0\0\0WAVEfmt ",
        ):
            assert refused(content, "a.png", "image/png") == NO_IMAGE, content

    def test_each_field_refuses_invalid_and_empty_files(self, client):
        for field in FIELDS:
            assert refusal_in(client, field, upload(b"nonsense")) == NO_IMAGE
            assert refusal_in(client, field, upload(b"")) == "is an empty file"

    def test_image_over_10_mb_is_refused(self, refused):
        assert refused(picture().read() + b"\0" * 10_000_000) == TOO_LARGE


class TestDamage:
    def test_truncated_image_is_refused(self, refused, kind):
        whole = noise(kind)
        for percent in (3, 50, 98):
            assert refused(whole[: len(whole) * percent // 100]) in (DAMAGED, NO_IMAGE), percent

    def test_image_truncated_at_its_end_is_refused_or_whole(self, client, kind):
        """The last 20 bytes of a PNG are check sums and an end mark: no decoder misses them."""
        whole = noise(kind)
        for lost in (1, 3, 12, 20, 80):
            answer = client.create(resolution="4k", initialImage=upload(whole[:-lost]))
            fields = {each["field"] for each in answer.json()["errors"]}
            assert fields == {"resolution", "initialImage"} or lost <= 20, lost

    def test_png_with_overwritten_bytes_is_refused(self, refused):
        """JPEG and WebP have no check sums: a decoder shows what it finds there."""
        whole = bytearray(noise("PNG"))
        middle = len(whole) // 2
        whole[middle : middle + 200] = b"\0" * 200
        assert refused(bytes(whole)) == DAMAGED

    def test_png_with_an_invalid_header_is_refused(self, refused):
        for depth in (0, 7, 255):
            assert refused(png(64, 48, depth=depth, data=b"\0" * 5000)) in (DAMAGED, NO_IMAGE)


def noise(kind):
    """A picture that no format can make small."""
    image = Image.effect_noise((200, 150), 90).convert("RGB")
    return encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))


def gray(side):
    return encoded(Image.new("L", (side, side)), "PNG")


class TestPixels:
    def test_png_over_40_megapixels_is_refused(self, refused):
        for size in ((8000, 5001), (2**31 - 1, 2**31 - 1), (50_000_000, 1)):
            tiny = png(*size, data=b"\0" * 1000)
            assert len(tiny) < 200
            assert refused(tiny) == TOO_MANY_PIXELS, size

    def test_jpeg_over_40_megapixels_is_refused(self, refused):
        whole = bytearray(picture("JPEG").read())
        start = whole.index(b"\xff\xc0")
        whole[start + 5 : start + 9] = struct.pack(">HH", 6500, 6500)
        assert refused(bytes(whole)) == TOO_MANY_PIXELS

    def test_webp_over_40_megapixels_is_refused(self, refused):
        whole = bytearray(encoded(Image.new("RGB", (9, 9)), "WEBP", lossless=True))
        start = whole.index(b"VP8L") + 9
        side = 7000 - 1
        whole[start : start + 4] = struct.pack("<I", side | side << 14)
        assert refused(bytes(whole)) in (TOO_MANY_PIXELS, DAMAGED, NO_IMAGE)

    def test_png_with_16_bits_over_20_megapixels_is_refused(self, refused):
        file = png(5000, 4001, depth=16, colour=6, data=b"\0" * 1000)
        said = f"{TOO_MANY_PIXELS}, or 20 if it is a PNG with 16 bits for each channel"
        assert refused(file) == said

    def test_images_that_are_too_large_together_are_refused(self, client):
        content = gray(4000)
        files = [upload(content) for _ in range(3)]
        body = assert_fault(client.create(referenceImages=files), field="referenceImages")
        assert body["detail"] == f"Reference image {TOO_MANY_IN_ALL}"

    def test_images_of_another_request_do_not_count(self):
        content = gray(5500)
        for _ in range(2):
            with input_images.of_one_request():
                assert refusal_of(content) is None

    def test_three_images_of_10_megapixels_are_accepted(self):
        content = gray(3162)
        with input_images.of_one_request():
            assert [refusal_of(content) for _ in range(3)] == [None] * 3


class TestCost:
    """What metadata and scans cost, however small the file is."""

    @pytest.mark.parametrize("name", costly_images.SEGMENTS)
    def test_image_takes_less_than_two_seconds(self, name):
        file = costly_images.SEGMENTS[name]()
        assert len(file) <= input_images.MAX_BYTES
        start = process_time()
        refusal_of(file)
        assert process_time() - start < 2

    def test_jpeg_with_arithmetic_coding_is_refused(self, refused):
        file = costly_images.progressive(costly_images.ARITHMETIC)
        assert refused(file) == "must be a baseline or progressive JPEG"

    @pytest.mark.parametrize("kind", ["PNG", "WebP"])
    def test_file_of_over_10000_chunks_is_refused(self, refused, kind):
        file = costly_images.SEGMENTS[f"{kind}, empty unknown chunks"]()
        assert refused(file) == "must be a file with at most 10,000 chunks"

    @pytest.mark.parametrize("components", [1, 4])
    def test_scans_that_only_refine_are_decoded(self, components):
        file = costly_images.progressive(costly_images.HUFFMAN, components=components, scans=3)
        assert refusal_of(file) is None


class TestScans:
    """A decoder walks the whole image for each scan of a JPEG, however small the file is."""

    @pytest.mark.parametrize("count", [33, 2000])
    def test_jpeg_over_32_scans_is_refused(self, refused, count):
        assert refused(of_scans(count)) == TOO_MANY_SCANS

    @pytest.mark.parametrize(
        ("before", "where"),
        [
            pytest.param(b"\xff" * 9, SCAN, id="fill bytes"),
            pytest.param(b"garbage", SCAN, id="garbage"),
            pytest.param(b"\xff\x01", SCAN, id="a marker without length"),
            pytest.param(b"\xff\xd0\xff\xd7", SCAN, id="restart markers"),
            pytest.param(b"\xff\xfe\0\0", SCAN, id="a comment of length 0"),
            pytest.param(b"\xff\xe1\0\1", SCAN, id="an APP1 of length 1"),
            pytest.param(b"\xff\xfe\0\4\xff\xd9", SCAN, id="a comment that holds an EOI"),
            pytest.param(b"\xff\xfe\xff\xda" + b"x" * 0xFFD8, SCAN, id="a length of FFDA"),
            pytest.param(b"\xff\xdc\0\4\0\x32", SCAN, id="DNL"),
            pytest.param(b"\xff\xd9\xff\xd8", b"\xff\xdb", id="a datastream of tables alone"),
        ],
    )
    def test_scans_are_counted_as_the_decoder_finds_them(self, before, where):
        for count, refusal in ((32, None), (33, TOO_MANY_SCANS)):
            whole = of_scans(count)
            at = whole.rindex(where)
            file = whole[:at] + before + whole[at:]
            with Image.open(io.BytesIO(file), formats=["JPEG"]) as decoded:
                decoded.load()
            assert refusal_of(file) == refusal

    def test_scans_of_a_sequential_jpeg_are_counted(self):
        whole = picture("JPEG").read()
        start = whole.index(SCAN)
        assert refusal_of(whole[:start] + whole[start:-2] * 33 + whole[-2:]) == TOO_MANY_SCANS

    def test_jpeg_over_10000_segments_is_refused(self, refused):
        whole = picture("JPEG").read()
        assert refused(whole[:2] + b"\xff\xfe\0\2" * 10_000 + whole[2:]) == TOO_MANY_SEGMENTS

    @pytest.mark.parametrize(
        "filler", [b"\xff", b"\xff\0", b"\xff\xd0", b"\xff\xfe\0\2", b"\0"], ids=bytes.hex
    )
    def test_scans_of_a_10_mb_file_are_counted_quickly(self, filler):
        whole = of_scans(10)
        file = whole[:-2] + filler * (9_900_000 // len(filler)) + whole[-2:]
        start = process_time()
        with suppress(image_files.InvalidImage):
            image_files.without_metadata(file)
        assert process_time() - start < 0.2  # 0.03 where nothing else runs


class TestFiller:
    """Pillow and libjpeg read the bytes between segments one by one."""

    BEFORE_SCANS = [b"\xff", b"\xff\0", b"A", b"\xff\xfc\xff\xff" + b"\xff" * 65_533]
    PLACES = {
        "directly after SOI": ([b"\xff", b"\xff\xd0"], lambda whole: 2),
        "between segments": (BEFORE_SCANS, lambda whole: whole.index(b"\xff\xdb")),
        "before the first scan": ([b"\xff"], lambda whole: whole.index(SCAN)),
        "within a scan": ([b"\xff"], lambda whole: whole.index(SCAN) + 30),
        "between scans": ([b"\xff"], lambda whole: whole.rindex(SCAN)),
        "before EOI": ([b"\xff"], lambda whole: len(whole) - 2),
    }
    CASES = [
        pytest.param(filler, place, id=f"{filler[:4].hex()} {name}")
        for name, (fillers, place) in PLACES.items()
        for filler in fillers
    ]

    @pytest.mark.parametrize(("filler", "place"), CASES)
    def test_filler_over_64_kb_is_refused_within_50_ms(self, filler, place):
        refusal_of(of_scans(10))  # what is imported and set up once
        file = with_filler(filler, place, size=9_900_000)
        start = process_time()
        assert refusal_of(file) == TOO_MUCH_FILLER
        assert process_time() - start < 0.05

    @pytest.mark.parametrize(("filler", "place"), CASES)
    def test_filler_of_60_kb_is_accepted(self, filler, place):
        assert refusal_of(with_filler(filler, place, size=60_000)) in (None, DAMAGED)

    def test_file_of_filler_alone_is_refused_within_50_ms(self):
        refusal_of(of_scans(10))
        file = b"\xff\xd8\xff" + b"\xff" * 9_990_000
        start = process_time()
        assert refusal_of(file) == TOO_MUCH_FILLER
        assert process_time() - start < 0.05

    def test_bytes_after_the_end_are_accepted(self):
        assert refusal_of(of_scans(10) + b"\xff" * 1_000_000) is None


def with_filler(filler, place, *, size):
    """A progressive JPEG with `size` bytes of `filler` inserted at `place`."""
    whole = of_scans(10)
    at = place(whole)
    return whole[:at] + filler * (size // len(filler)) + whole[at:]


def refusal_of(content):
    try:
        input_images.prepare(upload=io.BytesIO(content))
    except image_files.InvalidImage as refusal:
        return str(refusal)
    return None


class TestSeveral:
    def test_each_kind_of_fault_is_reported_once_per_field(self, client):
        files = [picture(), upload(b"nonsense"), upload(b"")]
        body = assert_fault(client.create(referenceImages=files), field="referenceImages")
        assert [each["message"] for each in body["errors"]] == [
            f"Reference image {NO_IMAGE}",
            "Reference image is an empty file",
        ]

    def test_faults_of_all_fields_are_reported(self, client):
        bad = upload(b"nonsense")
        answer = client.create(initialImage=bad, endFrame=upload(b""), model="veo")
        body = assert_fault(answer, field="model")
        assert [each["field"] for each in body["errors"]] == ["model", "initialImage", "endFrame"]
