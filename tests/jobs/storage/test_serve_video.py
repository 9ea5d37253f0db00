"""Videos delivered by this server, in ranges."""

import io
import re
import uuid

import pytest
from PIL import Image

from jobs.providers.mock import SAMPLES
from jobs.storage import posters, videos
from jobs.storage.base import video_name

pytestmark = pytest.mark.once

SIZE = 1000
CONTENT = bytes(n * 7 % 256 for n in range(SIZE))
NAME = uuid.UUID("550e8400-e29b-41d4-a716-446655440000")
URL = f"/media/ai_studio/videos/{NAME}.mp4"


@pytest.fixture
def folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    folder = tmp_path / "ai_studio" / "videos"
    folder.mkdir(parents=True)
    (folder / f"{NAME}.mp4").write_bytes(CONTENT)
    (folder / f"{NAME}.jpg").write_bytes((SAMPLES / "720p-16x9-8s.jpg").read_bytes())
    return folder


@pytest.fixture
def fetch(anonymous, folder):
    """The answer for these headers, and its body."""

    def fetch(url=URL, method="get", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = getattr(anonymous, method)(url, headers=named)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return answer, body

    return fetch


class TestVideo:
    def test_video_needs_no_login(self, fetch):
        answer, body = fetch()
        assert (answer.status_code, body) == (200, CONTENT)
        assert answer["Content-Type"] == "video/mp4"
        assert answer["Content-Length"] == str(SIZE)
        assert answer["Accept-Ranges"] == "bytes"
        assert answer["ETag"]

    def test_poster_is_delivered(self, fetch):
        answer, body = fetch(URL.replace(".mp4", ".jpg"))
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
        assert body.startswith(b"\xff\xd8")

    def test_small_poster_is_640_pixels_wide(self, fetch, tmp_path):
        film, poster = tmp_path / "film.mp4", SAMPLES / "720p-16x9-8s.jpg"
        film.write_bytes(CONTENT)
        videos().upload_video(name=f"ai_studio/videos/{NAME}", path=film, poster=poster)
        answer, body = fetch(posters.small(URL.replace(".mp4", ".jpg")))
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(body)).size == (640, 360)

    def test_poster_stands_in_for_a_small_one_of_an_earlier_version(self, fetch):
        small, poster = (fetch(URL.replace(".mp4", end))[1] for end in (".640.jpg", ".jpg"))
        assert small == poster

    def test_head_has_length_and_no_body(self, fetch):
        answer, body = fetch(method="head")
        assert (answer.status_code, body) == (200, b"")
        assert answer["Content-Length"] == str(SIZE)
        assert answer["Accept-Ranges"] == "bytes"

    def test_other_methods_are_405(self, fetch):
        for method in ("post", "delete"):
            assert fetch(method=method)[0].status_code == 405

    def test_other_file_name_is_404(self, fetch, folder):
        (folder / "secret.mp4").write_bytes(b"secret")
        (folder.parent.parent / "secret").write_bytes(b"secret")
        for path in (
            "27441bb4-4700-4542-9870-9ae0da13a1cf.mp4",
            "../../../etc/passwd",
            "..%2f..%2f..%2fetc%2fpasswd",
            f"../videos/{NAME}.mp4",
            f"%2e%2e/videos/{NAME}.mp4",
            f"{NAME}.mp4/../{NAME}.mp4",
            f"{NAME}.mp4%00",
            f"{NAME}.mp4%0a",
            f"{NAME}.txt",
            f"{NAME}",
            f"{NAME}.mp4/",
            f"{str(NAME).upper()}.mp4",
            f"{NAME}.MP4",
            "-" * 36 + ".mp4",
            "",
            ".mp4",
            "*.mp4",
            "secret.mp4",
            *("/media/", "/media/ai_studio/", "/media/secret"),
        ):
            answer, body = fetch(path if path[:1] == "/" else f"/media/ai_studio/videos/{path}")
            assert answer.status_code == 404, path
            assert CONTENT not in body


class TestName:
    def test_name_is_the_same_for_each_try_and_secret_for_who_knows_the_id(self, settings):
        name = video_name(NAME)
        assert name == video_name(NAME) != video_name(uuid.uuid4())
        assert re.fullmatch(rf"ai_studio/videos/{NAME}-[0-9a-f]{{32}}", name)
        settings.SECRET_KEY = "another key, of which a stranger knows as little as of ours"
        assert video_name(NAME) != name

    def test_video_with_this_name_is_delivered_and_not_by_the_id_alone(self, fetch, settings):
        settings.MEDIA_ROOT = settings.MEDIA_ROOT / "empty"
        file = settings.MEDIA_ROOT / f"{video_name(NAME)}.mp4"
        file.parent.mkdir(parents=True)
        file.write_bytes(CONTENT)
        assert fetch(f"/media/{video_name(NAME)}.mp4")[1] == CONTENT
        assert fetch()[0].status_code == 404


class TestRange:
    def test_range_is_206_with_its_bytes(self, fetch):
        for asked, first, last in (
            ("bytes=0-99", 0, 99),
            ("bytes=0-0", 0, 0),
            ("bytes=999-", 999, 999),
            ("bytes=500-", 500, 999),
            ("bytes=-1", 999, 999),
            ("bytes=-100", 900, 999),
            ("bytes=-5000", 0, 999),
            ("bytes=900-5000", 900, 999),
            (" bytes=5-6 ", 5, 6),
            ("bytes=005-0006", 5, 6),
        ):
            answer, body = fetch(range=asked)
            assert answer.status_code == 206, asked
            assert body == CONTENT[first : last + 1]
            assert answer["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
            assert answer["Content-Length"] == str(len(body))
            assert answer["Content-Type"] == "video/mp4"

    def test_range_outside_the_file_is_416(self, fetch):
        for asked in ("1000-", "1000-2000", "5000-", "-0", "9999999999-"):
            answer, body = fetch(range=f"bytes={asked}")
            assert (answer.status_code, body) == (416, b""), asked
            assert answer["Content-Range"] == f"bytes */{SIZE}"

    def test_invalid_or_multiple_range_is_ignored(self, fetch):
        for asked in (
            *("bytes=0-1,5-6", "bytes=5-4", "bytes=-", "bytes", "items=0-1", "bytes=a-b"),
            *("bytes=--1", "0-1", "", "bytes=²-³", "é"),
        ):
            answer, body = fetch(range=asked)
            assert (answer.status_code, body) == (200, CONTENT), asked
            assert "Content-Range" not in answer

    def test_huge_numbers_are_answered(self, fetch):
        for asked in ("bytes=%s-", "bytes=-%s", "bytes=0-%s", "bytes=%s-%s"):
            answer, _ = fetch(range=asked.replace("%s", "9" * 5000))
            assert answer.status_code in (200, 206, 416), asked

    def test_head_ignores_it(self, fetch):
        """RFC 9110, 14.2: it has a meaning for GET alone."""
        answer, body = fetch(method="head", range="bytes=0-9")
        assert (answer.status_code, body) == (200, b"")
        assert answer["Content-Length"] == str(SIZE)


class TestCondition:
    def test_known_etag_gets_304(self, fetch):
        tag = fetch()[0]["ETag"]
        answer, body = fetch(if_none_match=tag)
        assert (answer.status_code, body) == (304, b"")
        assert answer["Cache-Control"] == "public, no-cache"
        assert fetch(if_none_match=tag, range="bytes=0-9")[0].status_code == 304

    def test_changed_file_gets_200(self, fetch, folder):
        tag = fetch()[0]["ETag"]
        (folder / f"{NAME}.mp4").write_bytes(CONTENT + b"more")
        answer, body = fetch(if_none_match=tag)
        assert (answer.status_code, body) == (200, CONTENT + b"more")

    def test_if_range_with_the_same_etag_gets_the_part(self, fetch):
        tag = fetch()[0]["ETag"]
        answer, body = fetch(if_range=tag, range="bytes=0-9")
        assert (answer.status_code, body) == (206, CONTENT[:10])

    @pytest.mark.parametrize("tag", ['"other"', "Wed, 21 Oct 2015 07:28:00 GMT", "nonsense"])
    def test_if_range_with_another_etag_gets_the_whole_file(self, fetch, tag):
        answer, body = fetch(if_range=tag, range="bytes=0-9")
        assert (answer.status_code, body) == (200, CONTENT)
