"""Parsers that limit a request body's size before reading it and check that it is complete."""

import logging
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from io import BytesIO
from json import JSONDecodeError
from typing import IO, Any, cast

from django.http import UnreadablePostError
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser, FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.utils import json  # refuses NaN and Infinity

from videostudio.core.api.names import refuse_repeated

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 60_000_000
MAX_JSON_BYTES = 1_000_000
MAX_JSON_NAMES = 1_000  # of one object
MAX_DIGITS = 1_000  # of an int; no field has so many
CHUNK_BYTES = 65_536


class TooLarge(APIException):
    status_code = 413
    default_code = "too_large"
    default_detail = "The request body is too large"


class LengthRequired(APIException):
    """WSGI takes a body's length only from Content-Length, and ignores a body without it."""

    status_code = 411
    default_code = "length_required"
    default_detail = "The request needs a Content-Length header"


class NoRoomForUpload(APIException):
    """A file above FILE_UPLOAD_MAX_MEMORY_SIZE goes to the temporary folder, which is full."""

    status_code = 503
    default_code = "unavailable"
    default_detail = "The service cannot take files at the moment. Please try again."
    wait = 30  # seconds, for Retry-After


class BoundedJSONParser(BaseParser):
    """JSON of at most 1 MB that is an object and has no name twice.

    Not a subclass of DRF's JSONParser, whose bodies cannot exceed DATA_UPLOAD_MAX_MEMORY_SIZE.
    """

    media_type = "application/json"
    max_bytes = MAX_JSON_BYTES
    null_is_empty = False

    def parse(self, stream: IO, media_type: str | None = None, parser_context: Any = None) -> Any:
        _checked_length(parser_context["request"].META, self.max_bytes, "A JSON body")
        # In chunks: for one large read, gunicorn holds the body several times.
        body = bytearray()
        while chunk := stream.read(CHUNK_BYTES):
            body += chunk
        return self.parsed(body)

    def parsed(self, body: bytearray) -> Any:
        try:
            # JSON is UTF-8 (RFC 8259), with any charset that the client names.
            text = body.decode("utf-8-sig")
            data = json.loads(
                text, object_pairs_hook=_without_repeated_names, parse_int=_whole_number
            )
        except RecursionError as error:
            raise ParseError("The JSON body is nested too deeply") from error
        except UnicodeDecodeError as error:
            raise ParseError("The JSON body must be UTF-8") from error
        except JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise ParseError(f"The body is not valid JSON: see {where}") from error
        except ValueError as error:  # its own text is not for clients
            raise ParseError("The body is not valid JSON") from error
        if data is None and self.null_is_empty:
            return {}
        if not isinstance(data, dict):
            raise ParseError("The JSON body must be an object")
        return data


class OptionalJSONParser(BoundedJSONParser):
    """For calls without a body: axios sends `null` with them."""

    null_is_empty = True


class BoundedFormParser(FormParser):
    """A form of at most 1 MB. DRF's own parser accepts a truncated one."""

    def parse(self, stream: IO, media_type: str | None = None, parser_context: Any = None) -> Any:
        length = _checked_length(parser_context["request"].META, MAX_JSON_BYTES, "A form")
        body = stream.read()
        if len(body) != length:
            raise ParseError("The form is incomplete")
        return super().parse(BytesIO(body), media_type, parser_context)


class WholeMultiPartParser(MultiPartParser):
    """Multipart of at most 60 MB. Django's parser accepts a truncated body; this one does not."""

    def parse(self, stream: IO, media_type: str | None = None, parser_context: Any = None) -> Any:
        request = parser_context["request"]
        length = _checked_length(request.META, MAX_BODY_BYTES, "The request body")
        boundary = request.content_params.get("boundary", "").encode("latin-1", "replace")
        if not boundary:
            raise ParseError(
                "The multipart body has no boundary: do not set the Content-Type header yourself, "
                "your HTTP library does"
            )
        tail = _Tail(stream)
        try:
            parsed = super().parse(cast(IO, tail), media_type, parser_context)
        except UnreadablePostError:  # the client's connection, though it is an OSError too
            raise
        except OSError as error:
            for handler in request.upload_handlers:  # Django leaves the file to the collector
                with suppress(OSError):
                    handler.upload_interrupted()
            logger.error("the temporary folder takes no files", exc_info=error)
            raise NoRoomForUpload from error
        except UnicodeError as error:  # a charset that cannot decode in parts, such as "idna"
            raise ParseError("The multipart body's charset is unknown") from error
        if tail.seen != length or not tail.end.rstrip(b"\r\n \t").endswith(boundary + b"--"):
            raise ParseError("The multipart body is incomplete")
        return parsed


class _Tail:
    """Passes a stream on, counting its bytes and keeping the last few."""

    KEPT = 1_000

    def __init__(self, stream: IO) -> None:
        self._stream = stream
        self.seen = 0
        self.end = b""

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self.seen += len(chunk)
        self.end = (self.end + chunk)[-self.KEPT :]
        return chunk


def _whole_number(text: str) -> int | Decimal:
    """Python makes an int of at most 4,300 digits. A Decimal is refused by the field, by name."""
    return int(text) if len(text) <= MAX_DIGITS else Decimal(text)


def _without_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_JSON_NAMES:
        raise ParseError(f"A JSON object can have at most {MAX_JSON_NAMES:,} names")
    data = dict(pairs)
    if len(data) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        refuse_repeated(name for name, count in counts.items() if count > 1)
    return data


def require_length(request: Request) -> None:
    """Raise LengthRequired for a chunked body, which no parser would see."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise LengthRequired


def _checked_length(meta: dict, limit: int, what: str) -> int:
    """The body's length in bytes. Raises TooLarge."""
    length = int(meta.get("CONTENT_LENGTH") or 0)
    if length > limit:
        raise TooLarge(f"{what} must be at most {limit // 1_000_000} MB")
    return length
