"""Streaming the video out of a response gives the same result as the SDK alone."""

import gzip
import json
import random
from base64 import b64decode, b64encode, urlsafe_b64encode

import httpx2
import pytest

from jobs.providers import veo
from jobs.providers.video_stream import ON_DISK, _WithoutVideo

pytestmark = pytest.mark.once

MARK = b64encode(ON_DISK).decode()


class Answer(httpx2.SyncByteStream):
    """`body` in pieces of `sizes`, over and over."""

    def __init__(self, body, sizes):
        self.body, self.sizes, self.closed = body, sizes, False

    def __iter__(self):
        at = turn = 0
        while at < len(self.body):
            size = self.sizes[turn % len(self.sizes)]
            yield self.body[at : at + size]
            at, turn = at + size, turn + 1

    def close(self):
        self.closed = True


def taken(body, path, sizes=(65_536,)):
    return b"".join(_WithoutVideo(Answer(body, sizes), path, veo._from_base64))


def answer(video, *, indent=None, before=None):
    """An operation that is done, as Google writes it; `video` is the text in it."""
    videos = [{"bytesBase64Encoded": video, "mimeType": "video/mp4"}]
    response = {**(before or {}), "raiMediaFilteredCount": 0, "videos": videos}
    return json.dumps({"name": "a", "done": True, "response": response}, indent=indent).encode()


class TestVideo:
    @pytest.mark.parametrize("seed", range(20))
    def test_video_is_written_however_the_answer_is_split(self, tmp_path, seed):
        chance = random.Random(seed)
        content = chance.randbytes(chance.choice([1, 2, 3, 4, 5, 500, 4_096, 200_003]))
        text = chance.choice([b64encode, urlsafe_b64encode])(content).decode()
        text = chance.choice([text, text.rstrip("=")])
        body = answer(text, indent=chance.choice([None, 2]))
        for plain, escaped in (("=", "\\u003d"), ("+", "\\u002B"), ("/", "\\/")):
            if chance.random() < 0.5:
                head, quote, tail = body.partition(text.encode())
                quote = quote.replace(plain.encode(), escaped.encode())
                text = text.replace(plain, escaped)
                body = head + quote + tail
        assert len(json.loads(body)["response"]["videos"]) == 1  # it is JSON
        sizes = chance.choices([1, 2, 3, 5, 7, 64, 1_000, 65_536], k=4)
        if len(content) > 5_000:
            sizes = [size * 50 for size in sizes]
        left = taken(body, tmp_path / "video", sizes)
        assert (tmp_path / "video").read_bytes() == content
        wanted = json.loads(body)
        wanted["response"]["videos"][0]["bytesBase64Encoded"] = MARK
        assert json.loads(left) == wanted

    @pytest.mark.parametrize(
        "text", ["no base64 at all!", "AAAA=AAA", "A", "AA\\n==", "AAA\\u00e4"]
    )
    def test_invalid_base64_raises(self, tmp_path, text):
        with pytest.raises(ValueError, match=r"base64|escape|\\u00e4|JSON"):
            taken(answer("X").replace(b'"X"', f'"{text}"'.encode()), tmp_path / "video")

    def test_empty_video_is_left_to_the_sdk(self, tmp_path):
        """It tells an operation that finished without a video from one with a damaged one."""
        assert taken(answer(""), tmp_path / "video") == answer("")

    def test_truncated_answer_stays_truncated(self, tmp_path):
        body = answer(b64encode(bytes(9_000)).decode())
        left = taken(body[:8_000], tmp_path / "video", [1_000])
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(left)


class TestOtherAnswers:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b'{"name": "a"}',
            b"<html>502 Bad Gateway</html>",
            b'{"done": true, "error": {"code": 3, "message": "bytesBase64Encoded"}}',
            b'{"videos": [{"gcsUri": "gs://a/b.mp4"}]}',
            b"x" * 300_000,
            gzip.compress(answer("A" * 4_000)),
        ],
    )
    @pytest.mark.parametrize("sizes", [[65_536], [7, 4_000]])
    def test_answer_without_video_is_unchanged(self, tmp_path, body, sizes):
        assert taken(body, tmp_path / "video", sizes) == body
        assert not (tmp_path / "video").exists()

    def test_video_is_searched_at_the_beginning_only(self, tmp_path):
        """The whole of an answer without a video is not kept to be searched."""
        body = answer("AAAA", before={"first": "x" * 400_000})
        assert taken(body, tmp_path / "video") == body

    def test_stream_is_closed(self, tmp_path):
        inner = Answer(b"{}", [10])
        _WithoutVideo(inner, tmp_path / "video", b64decode).close()
        assert inner.closed
