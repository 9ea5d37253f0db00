"""The answers: those of Django, and the web server's own errors."""

import json
import logging
import re
from typing import Any
from uuid import uuid4

from waitress.task import ErrorTask, Task, WSGITask
from waitress.utilities import build_http_date

from videostudio.core import http_metrics
from videostudio.core.api.openai_form import in_openai_form, is_openai

logger = logging.getLogger("videostudio.requests")

ERRORS = {  # the reason, and `code` and `detail` as in the API's errors
    400: ("Bad Request", "malformed", "The request is not valid HTTP"),
    413: ("Content Too Large", "too_large", "The request body is too large"),
    414: ("URI Too Long", "uri_too_long", "The request line must be at most 4,094 bytes"),
    431: (
        "Request Header Fields Too Large",
        "headers_too_large",
        "The headers must be at most 100, of 8 kB each, and 64 kB in all",
    ),
    500: ("Internal Server Error", "internal", "Something went wrong on our side."),
    501: ("Not Implemented", "malformed", "This Transfer-Encoding is not supported"),
    503: (
        "Service Unavailable",
        "unavailable",
        "The service is not available at the moment. Please try again.",
    ),
}


class _Task(Task):
    response_headers: list[tuple[str, str]]
    logged_write_no_body = True  # Django leaves the body of a HEAD to the server

    @property
    def has_body(self) -> bool:
        return bool(super().has_body) and not self._is_head()

    def build_response_header(self) -> bytes:
        """Unlike waitress' own, it keeps the connection after 204, 304 and chunked answers."""
        names = {name.lower() for name, _ in self.response_headers}
        if not super().has_body:  # 204 or 304
            self.response_headers = [
                each for each in self.response_headers if each[0].lower() != "content-length"
            ]
        elif "content-length" not in names:
            self._delimit_body()
        if self._client_closes():
            self.set_close_on_finish()
        elif self.version == "1.0" and not self.close_on_finish:
            self.response_headers.append(("Connection", "keep-alive"))
        if "date" not in names:
            self.response_headers.append(("Date", build_http_date(self.start_time)))
        lines = [f"HTTP/{self.version} {self.status}"]
        lines += [f"{name}: {value}" for name, value in self.response_headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _delimit_body(self) -> None:
        if self.content_length is not None:
            self.response_headers.append(("Content-Length", str(self.content_length)))
        elif self.version == "1.0":
            self.set_close_on_finish()
        elif not self._is_head():
            self.response_headers.append(("Transfer-Encoding", "chunked"))
            self.chunked_response = True

    def _is_head(self) -> bool:
        return getattr(self.request, "command", "") == "HEAD"  # a refused request has none

    def _client_closes(self) -> bool:
        connection: str = self.request.headers.get("CONNECTION", "").lower()
        return connection == "close" or (self.version == "1.0" and connection != "keep-alive")


class DjangoTask(_Task, WSGITask):
    def start(self) -> None:
        super().start()
        if self.request.unread:
            self.channel.discards = True
        if self.request.unread or self.channel.server.stopping:
            self.set_close_on_finish()


class RefusalTask(_Task, ErrorTask):
    """JSON under /api/ and /v1/, otherwise text."""

    def execute(self) -> None:
        self.version = "1.1"
        status = self.request.error.code
        http_metrics.refused_by_server(status)
        reason, code, detail = ERRORS.get(status, ERRORS[400])
        body, kind = f"{status} {reason}\n", "text/plain"
        path = self._path()
        if is_openai(path):
            error = in_openai_form(status, _body(status, code, detail))
            body, kind = json.dumps(error), "application/json"
        elif path.startswith("/api/"):
            body, kind = json.dumps(_body(status, code, detail)), "application/json"
        self.status = f"{status} {reason}"
        self.response_headers = [("Content-Type", kind)]
        request_id = uuid4().hex
        self.response_headers.append(("X-Request-ID", request_id))
        logger.info("refused: %s %s", status, reason, extra={"request_id": request_id})
        if status == 503:
            self.response_headers.append(("Retry-After", "5"))
        self.channel.discards = True
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body.encode())

    def _path(self) -> str:
        """The beginning of the path, as far as it was read; the target may be a whole URL."""
        line = self.channel.requests[0].start.lstrip().partition(b"\r\n")[0]
        target = line.partition(b" ")[2].partition(b" ")[0]
        target = re.sub(rb"\Ahttps?://[^/]*", b"", target, count=1, flags=re.IGNORECASE)
        return "/" + target.lstrip(b"/")[:20].decode("latin-1")


def _body(status: int, code: str, detail: str) -> dict[str, Any]:
    body: dict[str, Any] = {"detail": detail, "code": code}
    if status < 500:
        errors = [{"field": None, "message": detail, "code": code}]
        body |= {"field": None, "errors": errors}
    return body
