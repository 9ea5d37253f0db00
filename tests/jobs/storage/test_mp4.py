"""The boxes of an MP4 show whether it is complete."""

import struct
from pathlib import Path

import pytest

from jobs.storage import mp4
from jobs.storage.mp4 import NotAVideo
from tests.fakes.vertex import default_video

pytestmark = pytest.mark.once

SAMPLES = Path(mp4.__file__).parents[1] / "providers" / "samples"


def box(kind, content=b""):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def large_box(kind, content=b""):
    """One whose length is written in 64 bits."""
    return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content


def endless_box(kind, content=b""):
    """One that says that it goes on to the end of the file."""
    return struct.pack(">I4s", 0, kind) + content


FTYP, MOOV, MDAT = box(b"ftyp", b"isom"), box(b"moov"), box(b"mdat", b"frames")


@pytest.fixture
def file(tmp_path):
    """`file(content)`: a file that holds it."""

    def file(content):
        (tmp_path / "video.mp4").write_bytes(content)
        return tmp_path / "video.mp4"

    return file


class TestCheck:
    def test_every_sample_is_accepted(self):
        for sample in SAMPLES.glob("*.mp4"):
            mp4.check(sample)

    @pytest.mark.parametrize(
        "content",
        [
            FTYP + MOOV + MDAT,
            FTYP + MDAT + MOOV,
            FTYP + box(b"free") + MOOV + MDAT + box(b"uuid", b"x" * 40),
            FTYP + MOOV + large_box(b"mdat", b"frames"),
            FTYP + MOOV + endless_box(b"mdat", b"frames"),
            default_video("operation", 4_096),
        ],
    )
    def test_whole_file_is_accepted(self, file, content):
        mp4.check(file(content))

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "start"),
            (b"\0\0", "start"),
            (b"<html>This is no video.</html>", "start"),
            (b'{"error": {"code": 503, "message": "overloaded"}}', "start"),
            (MOOV + MDAT, "start"),
            (MOOV + FTYP + MDAT, "start"),
            (FTYP, "incomplete"),
            (FTYP + MDAT, "incomplete"),
            (FTYP + MOOV + MDAT[:-1], "incomplete"),
            (FTYP + MOOV + MDAT + b"\0\0\0", "incomplete"),
            (FTYP + MOOV + large_box(b"mdat", b"frames")[:-1], "incomplete"),
            (FTYP + MOOV + large_box(b"mdat")[:12], "no length"),
            (FTYP + MOOV + struct.pack(">I4s", 4, b"mdat"), "no length"),
            (FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 3), "no length"),
        ],
    )
    def test_file_that_is_not_whole_is_refused(self, file, content, why):
        with pytest.raises(NotAVideo, match=why):
            mp4.check(file(content))

    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
    def test_truncated_sample_is_refused(self, file, kept):
        whole = (SAMPLES / "720p-16x9-8s.mp4").read_bytes()
        with pytest.raises(NotAVideo):
            mp4.check(file(whole[: int(len(whole) * kept)]))
