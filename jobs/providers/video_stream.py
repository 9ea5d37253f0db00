"""The video in Google's answer goes to disk as it comes.

The poll that finds an operation done is answered with JSON that holds the whole video as base64.
google-genai (3.4.0) would have it in memory several times over, 88 MB for a video of 20, and half
of a worker's work would be to take it apart. So this transport takes that one long string out of
the answer and hands on the same answer with a short one. Where it finds none (an error, an answer
that is compressed or made otherwise), the SDK gets what came.
"""

import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

ON_DISK = b"the video is on disk"  # what the SDK takes for the video then
FIELD = re.compile(rb'"bytesBase64Encoded"\s*:\s*"')
MOST_BEFORE = 100_000  # bytes of an answer that are searched for it
LONGEST_ESCAPE = len(r"\u003d")
Decode = Callable[[bytes], bytes]


class InlineVideoTransport(httpx2.HTTPTransport):
    """HTTP; of a call within `video_to(path)` the answer's video is written to `path`.

    `decode` makes bytes of a JSON string's text that is base64, ValueError of any other.
    """

    def __init__(self, *, decode: Decode) -> None:
        super().__init__()
        self._decode = decode
        self._wanted = threading.local()

    @contextmanager
    def video_to(self, path: Path) -> Iterator[None]:
        self._wanted.path = path
        try:
            yield
        finally:
            self._wanted.path = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        path = getattr(self._wanted, "path", None)
        if path is None:
            return super().handle_request(request)
        request.headers["Accept-Encoding"] = "identity"
        response = super().handle_request(request)
        response.stream = _WithoutVideo(response.stream, path, self._decode)  # type: ignore[arg-type]
        return response


class _WithoutVideo(httpx2.SyncByteStream):
    def __init__(self, answer: httpx2.SyncByteStream, path: Path, decode: Decode) -> None:
        self._answer = answer
        self._path = path
        self._decode = decode

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._answer)
        begun, found = b"", None
        for chunk in chunks:
            begun += chunk
            found = FIELD.search(begun)
            if found or len(begun) > MOST_BEFORE:
                break
        if found:
            rest = _written(begun[found.end() :], chunks, self._path, self._decode)
            short = b64encode(ON_DISK) if self._path.stat().st_size else b""
            yield begun[: found.end()] + short + rest
        else:
            yield begun
        yield from chunks

    def close(self) -> None:
        self._answer.close()


def _written(text: bytes, chunks: Iterator[bytes], path: Path, decode: Decode) -> bytes:
    """Write what `text` and the `chunks` after it encode, up to the quote that ends it; return what
    has come from there on. ValueError where it is no base64."""
    with path.open("wb") as file:
        while True:
            text, quote, rest = text.partition(b'"')
            if quote:
                file.write(decode(text))
                return quote + rest
            whole = _whole(text)
            begun = text[whole:]
            text = _unescaped(text[:whole])
            groups = len(text) - len(text) % 4
            file.write(decode(text[:groups]))
            chunk = next(chunks, None)
            if chunk is None:  # what is missing here, the SDK will miss
                return b""
            text = text[groups:] + begun + chunk


def _whole(text: bytes) -> int:
    """How much of `text` is there without an escape whose end has not come yet."""
    last = text.rfind(b"\\", -LONGEST_ESCAPE + 1)
    return len(text) if last < 0 else last


def _unescaped(text: bytes) -> bytes:
    return json.loads(b'"%s"' % text).encode() if b"\\" in text else text
