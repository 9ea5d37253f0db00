"""The mock provider's sample files are what their names say, measured with PyAV and Pillow."""

from itertools import combinations, product
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageStat

pytestmark = pytest.mark.once

FOLDER = Path(__file__).parents[3] / "jobs" / "providers" / "samples"
SIZES = {
    "720p-16x9": (1280, 720),
    "720p-9x16": (720, 1280),
    "1080p-16x9": (1920, 1080),
    "1080p-9x16": (1080, 1920),
}
POSTERS = {f"{name}-{seconds}s": SIZES[name] for name, seconds in product(SIZES, (4, 8))}
VIDEOS = [
    (f"{name}-{seconds}s{sound}.mp4", SIZES[name], seconds, bool(sound))
    for name, seconds, sound in product(SIZES, (4, 8), ("", "-audio"))
]
FOUR_MEGABYTES = 4_000_000


def boxes(path):
    """Names of an MP4's top-level boxes in file order (ISO/IEC 14496-12, 4.2)."""
    data, start = path.read_bytes(), 0
    while start < len(data):
        yield data[start + 4 : start + 8].decode()
        start += int.from_bytes(data[start : start + 4]) or len(data)  # 0: up to the end


def poster(name):
    """RGB image, loaded."""
    with Image.open(FOLDER / f"{name}.jpg") as image:
        return image.convert("RGB")


def first_frame(name):
    """RGB image; the colours are BT.709, as the file says."""
    with av.open(FOLDER / name) as container:
        return next(container.decode(video=0)).to_image(src_colorspace="ITU709")


def difference(one, other):
    """Mean difference (0..255) of two pictures, compared at 90 x 90 pixels."""
    pair = (image.resize((90, 90)) for image in (one, other))
    return max(ImageStat.Stat(ImageChops.difference(*pair)).mean)


class TestFolder:
    def test_holds_sixteen_videos_and_eight_posters_and_no_other_media(self):
        videos = {name for name, *_ in VIDEOS}
        posters = {f"{name}.jpg" for name in POSTERS}
        assert (len(videos), len(posters)) == (16, 8)
        found = {p.name for p in FOLDER.iterdir() if p.suffix in {".mp4", ".jpg"}}
        assert found == videos | posters

    def test_weighs_at_most_four_megabytes(self):
        assert sum(p.stat().st_size for p in FOLDER.iterdir() if p.is_file()) <= FOUR_MEGABYTES


@pytest.mark.parametrize(("name", "size", "seconds", "sound"), VIDEOS)
class TestVideo:
    def test_shows_h264_of_the_named_size_at_24_frames_a_second(self, name, size, seconds, sound):
        with av.open(FOLDER / name) as container:
            (video,) = container.streams.video
            assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
            assert (video.width, video.height) == size
            assert video.average_rate == 24

    def test_lasts_exactly_the_named_seconds(self, name, size, seconds, sound):
        with av.open(FOLDER / name) as container:
            assert container.duration == seconds * av.time_base
            for stream in container.streams:
                assert stream.duration * stream.time_base == seconds
            packets = container.demux(video=0)
            assert sum(packet.size > 0 for packet in packets) == seconds * 24

    def test_sounds_only_where_named_so(self, name, size, seconds, sound):
        with av.open(FOLDER / name) as container:
            tracks = [(a.codec_context.name, a.rate, a.channels) for a in container.streams.audio]
        assert tracks == ([("aac", 48_000, 1)] if sound else [])

    def test_can_start_before_it_is_fully_loaded(self, name, size, seconds, sound):
        order = list(boxes(FOLDER / name))
        assert order.index("moov") < order.index("mdat")

    def test_begins_with_its_poster(self, name, size, seconds, sound):
        still = poster(name.removesuffix(".mp4").removesuffix("-audio"))
        assert difference(still, first_frame(name)) < 2


class TestPoster:
    @pytest.mark.parametrize(("name", "size"), list(POSTERS.items()))
    def test_is_a_jpeg_of_the_video_size(self, name, size):
        with Image.open(FOLDER / f"{name}.jpg") as image:
            assert (image.format, image.size) == ("JPEG", size)

    @pytest.mark.parametrize(("one", "other"), list(combinations(POSTERS, 2)))
    def test_differs_visibly_from_every_other(self, one, other):
        assert difference(poster(one), poster(other)) > 10
