"""Stream the video in Google's response to disk.

The response to the last poll is JSON that contains the whole video as base64. google-genai (3.4.0)
would hold it in memory several times, 88 MB for a video of 20 MB, and parsing it would take half of
a worker's CPU time. So this transport writes that one long string to disk and passes the response
on with a short string in its place. If it finds no such string (an error, a compressed response, or
another format), it passes the response on unchanged.
"""

import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

ON_DISK = b"the video is on disk"  # the SDK gets this in place of the video
FIELD = re.compile(rb'"bytesBase64Encoded"\s*:\s*"')
MAX_SEARCHED = 100_000  # bytes of a response that are searched for FIELD
MAX_ESCAPE = len(r"\u003d")
Decode = Callable[[bytes], bytes]


class InlineVideoTransport(httpx2.HTTPTransport):
    """HTTP transport that writes the video of a call within `video_to(path)` to `path`.

    `decode` converts the base64 text of a JSON string to bytes; it raises ValueError if invalid.
    """

    def __init__(self, *, decode: Decode) -> None:
        super().__init__()
        self._decode = decode
        self._target = threading.local()

    @contextmanager
    def video_to(self, path: Path) -> Iterator[None]:
        self._target.path = path
        try:
            yield
        finally:
            self._target.path = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        path = getattr(self._target, "path", None)
        if path is None:
            return super().handle_request(request)
        request.headers["Accept-Encoding"] = "identity"
        response = super().handle_request(request)
        response.stream = _WithoutVideo(response.stream, path, self._decode)  # type: ignore[arg-type]
        return response


class _WithoutVideo(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, path: Path, decode: Decode) -> None:
        self._stream = stream
        self._path = path
        self._decode = decode

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._stream)
        head, found = b"", None
        for chunk in chunks:
            head += chunk
            found = FIELD.search(head)
            if found or len(head) > MAX_SEARCHED:
                break
        if found:
            rest = _write_video(head[found.end() :], chunks, self._path, self._decode)
            short = b64encode(ON_DISK) if self._path.stat().st_size else b""
            yield head[: found.end()] + short + rest
        else:
            yield head
        yield from chunks

    def close(self) -> None:
        self._stream.close()


def _write_video(text: bytes, chunks: Iterator[bytes], path: Path, decode: Decode) -> bytes:
    """Decode `text` and the following `chunks` up to the closing quote and write the bytes to
    `path`. Return the rest from the quote on. ValueError if it is not base64."""
    with path.open("wb") as file:
        while True:
            text, quote, rest = text.partition(b'"')
            if quote:
                file.write(decode(text))
                return quote + rest
            complete = _complete_length(text)
            partial_escape = text[complete:]
            text = _unescaped(text[:complete])
            groups = len(text) - len(text) % 4
            file.write(decode(text[:groups]))
            chunk = next(chunks, None)
            if chunk is None:  # truncated: the SDK will report the missing rest
                return b""
            text = text[groups:] + partial_escape + chunk


def _complete_length(text: bytes) -> int:
    """The length of `text` without an incomplete escape sequence at its end."""
    last = text.rfind(b"\\", -MAX_ESCAPE + 1)
    return len(text) if last < 0 else last


def _unescaped(text: bytes) -> bytes:
    return json.loads(b'"%s"' % text).encode() if b"\\" in text else text
