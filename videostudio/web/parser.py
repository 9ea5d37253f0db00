"""The limits of a request's head, and which bodies are received before Django is called."""

import re
import time
from dataclasses import dataclass
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError

from videostudio.core.api.openai_form import is_openai

MAX_LINE_BYTES = 4_094
MAX_HEADERS = 100
# Django parses some headers in quadratic time: a Content-Type of 60 kB takes up to a second.
MAX_HEADER_BYTES = 8_190  # with its name
MAX_HEAD_BYTES = 65_536
# waitress takes quadratic time for blanks at the beginning of a header. A line that continues a
# header could hold more of them; RFC 9112, 5.2, allows to refuse it.
SLOW_HEADER = re.compile(rb":[ \t]{100}|\r\n[ \t]")
MAX_BODY_BYTES = 60_000_000
# A larger body needs a login, which Django checks before it reads the body.
MAX_ANONYMOUS_BODY_BYTES = 1_000_000
# waitress copies the rest of the data for each chunk of a body, and in each call what it has of an
# incomplete chunk size, extension or trailer. So it gets little data at a time, and tiny chunks are
# refused.
CHUNKED_BYTES = 4_096  # for one call
FRAMING_BYTES = 8_192  # of all chunks, beside a sixteenth of the body


@dataclass(frozen=True)
class Refusal:
    """The status of a request that does not reach Django."""

    code: int


class Parser(HTTPRequestParser):
    """`unread` is true if Django is called without the body, because it will refuse the request:
    the body has no Content-Length, is too large, or too large for a request without a login.
    """

    unread = False
    chunked: bool
    path: str
    content_length: int
    body_rcv: Any

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.began = time.time()
        self.start = b""  # of the head

    def received(self, data: bytes) -> int:
        if not self.headers_finished and len(self.start) <= MAX_LINE_BYTES:
            self.start += data[: MAX_LINE_BYTES + 2 - len(self.start)]
        chunks = self.body_rcv if self.chunked else None
        if chunks is not None:
            data = data[:CHUNKED_BYTES]
        try:
            consumed: int = super().received(data)
        except OSError:  # the folder for temporary files is full
            self._refuse(503)
            return len(data)
        if not self.completed and not self.headers_finished and self._line_is_too_long():
            self._refuse(414)
        if not self.completed and chunks is not None and self._framing_is_too_long(len(chunks)):
            self._refuse(400)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        if self._line_is_too_long():
            self._refuse(414)
        elif _has_too_many_or_long(header_plus.split(b"\r\n")):
            self._refuse(431)
        elif SLOW_HEADER.search(header_plus):
            self._refuse(400)
        else:
            try:
                super().parse_header(header_plus)
            except ValueError as error:  # a Content-Length of over 4,300 digits, or "http://["
                raise ParsingError("A header is invalid") from error
            self._decide_about_body()

    def _decide_about_body(self) -> None:
        anonymous = "AUTHORIZATION" not in self.headers
        most = MAX_ANONYMOUS_BODY_BYTES if anonymous else MAX_BODY_BYTES
        without_length = self.chunked or "TRANSFER_ENCODING" in self.headers
        if self.content_length <= most and not without_length:
            return
        if self.chunked and not anonymous and is_openai(self.path):
            return  # openai-node streams files; `max_request_body_size` is the limit
        if without_length:
            self.headers["TRANSFER_ENCODING"] = "chunked"  # Django answers 411
        self.unread = True
        self.body_rcv = None
        self.chunked = self.expect_continue = False
        self.content_length = 0

    def _refuse(self, status: int) -> None:
        self.error, self.completed = Refusal(status), True

    def _framing_is_too_long(self, content_bytes: int) -> bool:
        return self.body_bytes_received - content_bytes > FRAMING_BYTES + content_bytes // 16

    def _line_is_too_long(self) -> bool:
        return len(self.start) > MAX_LINE_BYTES and b"\r\n" not in self.start


def _has_too_many_or_long(lines: list[bytes]) -> bool:
    """Two of the lines are empty, and one is the request line."""
    return len(lines) > MAX_HEADERS + 3 or max(map(len, lines)) > MAX_HEADER_BYTES
