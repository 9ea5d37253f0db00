"""The mock provider's sample files are what their names say, measured with PyAV and Pillow."""

from itertools import combinations
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageStat

pytestmark = [pytest.mark.once, pytest.mark.slow]

FOLDER = Path(__file__).parents[3] / "jobs" / "providers" / "samples"
SIZES = {
    "720p-16x9": (1280, 720),
    "720p-9x16": (720, 1280),
    "1080p-16x9": (1920, 1080),
    "1080p-9x16": (1080, 1920),
}
LENGTHS = {name: (4, 6, 8) if name.startswith("720p") else (8,) for name in SIZES}
POSTERS = [f"{name}-{seconds}s" for name, lengths in LENGTHS.items() for seconds in lengths]
VIDEOS = [
    (f"{name}-{seconds}s{sound}.mp4", SIZES[name], seconds, bool(sound))
    for name, lengths in LENGTHS.items()
    for seconds in lengths
    for sound in ("", "-audio")
]


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


def test_folder_holds_16_videos_and_8_posters_of_at_most_4_mb():
    videos = {name for name, *_ in VIDEOS}
    posters = {f"{name}.jpg" for name in POSTERS}
    assert (len(videos), len(posters)) == (16, 8)
    found = {p.name for p in FOLDER.iterdir() if p.suffix in {".mp4", ".jpg"}}
    assert found == videos | posters
    assert sum(p.stat().st_size for p in FOLDER.iterdir() if p.is_file()) <= 4_000_000


@pytest.mark.parametrize(("name", "size", "seconds", "sound"), VIDEOS)
def test_sample_is_what_its_name_says(name, size, seconds, sound):
    with av.open(FOLDER / name) as container:
        (video,) = container.streams.video
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == size
        assert video.average_rate == 24
        tracks = [(a.codec_context.name, a.rate, a.channels) for a in container.streams.audio]
        assert tracks == ([("aac", 48_000, 1)] if sound else [])
        assert container.duration == seconds * av.time_base
        for stream in container.streams:
            assert stream.duration * stream.time_base == seconds
        assert sum(packet.size > 0 for packet in container.demux(video=0)) == seconds * 24
    order = list(boxes(FOLDER / name))
    assert order.index("moov") < order.index("mdat")  # plays before it is loaded completely
    still = poster(name.removesuffix(".mp4").removesuffix("-audio"))
    assert still.size == size
    assert difference(still, first_frame(name)) < 2


def test_posters_differ_visibly():
    for one, other in combinations(POSTERS, 2):
        assert difference(poster(one), poster(other)) > 10, (one, other)
