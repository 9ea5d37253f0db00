"""Accepted images: only the content counts, and EXIF and GPS data are removed."""

import hashlib
import io
import struct
import zlib
from itertools import product

import pytest
from PIL import Image, ImageOps

from jobs.models import JobImage
from tests.uploads import encoded, picture, upload

pytestmark = pytest.mark.once

SCAN = b"\xff\xda"  # the marker that starts a scan of a JPEG
ORIENTATION, GPS, MAKER = 0x0112, 0x8825, 0x010F


@pytest.fixture
def passed_on(client):
    """What Veo would get for an uploaded initial image."""

    def passed_on(file):
        answer = client.create(initialImage=file)
        assert answer.status_code == 202, answer.content
        row = JobImage.objects.latest("id")
        image = Image.open(io.BytesIO(bytes(row.content)))
        assert (image.format, row.mime_type) == ("JPEG", "image/jpeg")
        assert (image.width, image.height) == (row.width, row.height)
        image.load()
        return image

    return passed_on


def close(pixel, wanted, most=6):
    return all(abs(a - b) <= most for a, b in zip(pixel, wanted, strict=True))


def corners(width=300, height=200):
    """Red at the top left, green at the top right, blue at the bottom left, white elsewhere."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, 80, 80))
    image.paste("lime", (width - 80, 0, width, 80))
    image.paste("blue", (0, height - 80, 80, height))
    return image


class TestPicture:
    def test_image_becomes_a_jpeg_of_the_same_size(self, passed_on, kind):
        image = passed_on(picture(kind, size=(640, 360), color="red"))
        assert (image.mode, image.size) == ("RGB", (640, 360))
        assert close(image.getpixel((320, 180)), (255, 0, 0))

    def test_name_and_content_type_are_ignored(self, client):
        for name, content_type in (("a.svg", "text/html"), ("ä", "é")):
            file = upload(picture().read(), name, content_type)
            assert client.create(initialImage=file).status_code == 202

    def test_hash_of_the_upload_is_stored(self, client):
        file = picture("PNG")
        client.create(initialImage=file)
        assert JobImage.objects.get().sha256 == hashlib.sha256(file.file.getvalue()).hexdigest()

    def test_image_is_reduced_to_1920_pixels(self, passed_on, kind):
        for size, smaller in (
            ((1920, 1920), (1920, 1920)),
            ((500, 2000), (480, 1920)),
            ((5000, 1), (1920, 1)),
        ):
            assert passed_on(picture(kind, size=size)).size == smaller

    def test_image_of_40_megapixels_is_accepted(self, passed_on):
        assert passed_on(picture(size=(8000, 5000), mode="L", color=0)).size == (1920, 1200)

    def test_image_of_10_mb_is_accepted(self, passed_on):
        whole = picture("PNG").read()
        filler = chunk(b"teXt", b"x" * (10_000_000 - len(whole) - 12))
        file = upload(whole[:33] + filler + whole[33:])
        assert file.size == 10_000_000
        assert passed_on(file).size == (64, 48)


class TestMetadata:
    def exif(self, orientation=1):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        exif[MAKER] = "secret camera"
        exif.get_ifd(GPS)[1] = "N"
        exif.get_ifd(GPS)[2] = (48.0, 51.0, 29.6)
        return exif

    def test_exif_gps_and_profile_are_removed(self, passed_on, kind):
        file = picture(kind, exif=self.exif(), icc_profile=b"secret profile", comment=b"secret")
        assert b"secret camera" in file.file.getvalue()
        image = passed_on(file)
        assert not image.getexif()
        assert not image.getexif().get_ifd(GPS)
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert b"secret" not in bytes(JobImage.objects.get().content)

    def test_text_and_time_of_a_png_are_removed(self, passed_on):
        whole = picture("PNG").read()
        more = chunk(b"tEXt", b"Author\0secret name") + chunk(b"tIME", b"\x07\xe8\1\1\1\1\1")
        image = passed_on(upload(whole[:33] + more + whole[33:]))
        assert "Author" not in image.info
        assert b"secret" not in bytes(JobImage.objects.get().content)

    def test_exif_orientation_is_applied(self, passed_on, many):
        for kind, turn in (*(("JPEG", n) for n in range(1, 9)), ("PNG", 6), ("WEBP", 3)):
            content = encoded(corners(), kind, exif=self.exif(turn))
            upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
            image = passed_on(upload(content))
            assert image.size == upright.size == ((200, 300) if turn > 4 else (300, 200)), turn
            for at in product((20, image.width - 20), (20, image.height - 20)):
                assert close(image.getpixel(at), upright.getpixel(at), 12), (kind, turn)

    def test_exif_orientation_of_a_large_image_is_applied(self, passed_on):
        image = passed_on(upload(encoded(corners(4000, 2000), "JPEG", exif=self.exif(6))))
        assert image.size == (960, 1920)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
    def test_damaged_exif_is_ignored(self, passed_on):
        for exif in (
            b"Exif\0\0nonsense",
            b"Exif\0\0II*\0\xff\xff\xff\xff",
            b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x09\0\0",
        ):
            assert passed_on(upload(encoded(corners(), "JPEG", exif=exif))).size == (300, 200)


class TestColours:
    """Every kind of picture that the formats know comes out as what a person sees."""

    def test_cmyk_jpeg_keeps_its_colours(self, passed_on):
        red = Image.new("CMYK", (50, 50), (0, 255, 255, 0))
        assert close(passed_on(upload(encoded(red, "JPEG"))).getpixel((9, 9)), (255, 0, 0), 12)

    def test_16_bit_gray_png_keeps_its_levels(self, passed_on, many):
        levels, sizes = ((0, 0), (32896, 128), (65535, 255)), ((50, 50), (2500, 100), (100, 8000))
        for (level, wanted), size in product(levels, sizes):
            gray = Image.new("I;16", size, level)
            seen = passed_on(upload(encoded(gray, "PNG"))).getpixel((9, 9))
            assert close(seen, (wanted,) * 3)

    def test_16_bit_colour_png_keeps_its_colours(self, passed_on):
        line = b"\0" + struct.pack(">HHH", 65535, 32896, 0) * 50
        file = upload(png(50, 50, depth=16, colour=2, data=line * 50))
        assert close(passed_on(file).getpixel((9, 9)), (255, 128, 0), 12)

    def test_palette_one_bit_and_gray_images_keep_their_colours(self, passed_on):
        palette = Image.new("P", (50, 50), 1)
        palette.putpalette([0, 0, 0, 255, 0, 0])
        for image, wanted in (
            (palette, (255, 0, 0)),
            (Image.new("1", (50, 50), 1), (255, 255, 255)),
            (Image.new("L", (50, 50), 128), (128, 128, 128)),
        ):
            assert close(passed_on(upload(encoded(image, "PNG"))).getpixel((9, 9)), wanted, 12)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_transparent_colour_is_blended_on_white(self, passed_on, kind):
        options = {"lossless": True} if kind == "WEBP" else {}
        for alpha, wanted in ((0, (255, 255, 255)), (128, (255, 127, 127)), (255, (255, 0, 0))):
            image = Image.new("RGBA", (50, 50), (255, 0, 0, alpha))
            seen = passed_on(upload(encoded(image, kind, **options))).getpixel((25, 25))
            assert close(seen, wanted, 12)

    @pytest.mark.parametrize("mode", ["P", "LA"])
    def test_transparent_palette_and_gray_are_blended_on_white(self, passed_on, mode):
        image = Image.new(mode, (50, 50), 0 if mode == "P" else (0, 0))
        options = {"transparency": 0} if mode == "P" else {}
        if mode == "P":
            image.putpalette([0, 0, 0, 255, 0, 0])
        file = upload(encoded(image, "PNG", **options))
        assert close(passed_on(file).getpixel((9, 9)), (255, 255, 255))


class TestFormat:
    @pytest.mark.parametrize("kind", ["WEBP", "PNG"])
    def test_first_frame_of_an_animation_is_used(self, passed_on, kind):
        frames = [Image.new("RGB", (50, 50), color) for color in ("red", "lime", "blue")]
        file = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        assert close(passed_on(upload(file)).getpixel((25, 25)), (255, 0, 0), 12)

    def test_progressive_jpeg_is_accepted(self, passed_on, many):
        for size, mode in product([(1, 1), (640, 480)], ["L", "RGB", "CMYK"]):
            image = Image.effect_noise(size, 50).convert(mode)
            for quality in (1, 100):
                passed_on(upload(encoded(image, "JPEG", progressive=True, quality=quality)))

    def test_extra_scans_within_limits_are_accepted(self, passed_on):
        in_thumbnail = encoded(corners(), "JPEG", exif=b"Exif\0\0" + of_scans(100))
        for file in (of_scans(32), in_thumbnail, of_scans(10) + of_scans(100)):
            assert passed_on(upload(file)).size == (300, 200)

    def test_mpo_of_progressive_frames_uses_its_first(self, passed_on):
        frames = [Image.new("RGB", (50, 50), color) for color in ("red", *["lime"] * 9)]
        file = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:], progressive=True)
        assert file.count(SCAN) == 100
        assert close(passed_on(upload(file)).getpixel((25, 25)), (255, 0, 0), 12)

    def test_bytes_after_the_end_are_ignored(self, passed_on, kind):
        assert passed_on(upload(picture(kind).read() + b"\0" * 100)).size == (64, 48)


def of_scans(count):
    """A progressive JPEG of so many scans: Pillow writes ten, the last is repeated."""
    whole = encoded(corners(), "JPEG", progressive=True)
    last = whole.rindex(SCAN)
    return whole[:last] + whole[last:-2] * (count - 9) + whole[-2:]


def chunk(name, data):
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def png(width, height, *, depth=8, colour=0, data=b""):
    """A PNG of this header; what its pixels are is `data`, packed."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
