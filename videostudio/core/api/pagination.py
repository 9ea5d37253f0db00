"""Pagination of lists that are sorted newest first: by `offset`, or by a cursor.

A page by offset reads all rows before it, and moves when rows are added or removed. A cursor holds
the position of the last row of a page, so the next page costs the same however deep it is.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from videostudio.core.api.fields import DateOrTimeField, DigitsField, same_message
from videostudio.core.api.strict import StrictQuerySerializer

MAX_OFFSET = 10_000
BROKEN = "After must be the nextCursor of an earlier response"
OTHER_FILTERS = "After must be the nextCursor of a response to the same filters"
MAX_CHARACTERS = 300  # of a cursor
PAGE_PARAMETERS = ("limit", "offset", "after")
PLUS = " (write + as %2B)"  # in a URL it means a space


@dataclass(frozen=True)
class Cursor:
    """The position of a row: the values it is sorted by, as text.

    `filters` is a digest of the list's filters. `total` is set if the number of matching rows had
    to be counted for the first page: the next pages repeat it.
    """

    position: Sequence[Any]
    filters: str
    total: int | None = None

    def encode(self) -> str:
        text = json.dumps([*self.position, self.filters, self.total], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises ValueError."""
        padded = text + "=" * (-len(text) % 4)
        try:
            decoded = base64.b64decode(padded, altchars=b"-_", validate=True)
            *position, filters, total = json.loads(decoded)
        except (binascii.Error, TypeError, RecursionError) as error:
            raise ValueError(text) from error
        if not all(isinstance(value, str) for value in (*position, filters)):
            raise ValueError(text)
        if total is not None and (type(total) is not int or total < 0):
            raise ValueError(text)
        return cls(position, filters, total)


def cursor_of(row: Any, filters: str, total: int | None = None) -> str:
    """The cursor after `row`, in a list that is sorted by `created_at` and `pk`."""
    return Cursor([row.created_at.isoformat(), str(row.pk)], filters, total).encode()


def older_than(created_at: datetime, pk: Any) -> Q:
    """The rows after this position, in a list that is sorted newest first."""
    # The first condition is for the index; the second skips rows of the same moment.
    return Q(created_at__lte=created_at) & (Q(created_at__lt=created_at) | Q(pk__lt=pk))


class CursorField(serializers.CharField):
    """The `nextCursor` of a response; its value is the Cursor, with values of `kinds` in place of
    text."""

    def __init__(self, *kinds: type, **kwargs: Any) -> None:
        self.kinds = kinds
        super().__init__(error_messages=same_message(BROKEN), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        try:
            cursor = Cursor.decode(super().to_internal_value(data)[:MAX_CHARACTERS])
            values = zip(self.kinds, cursor.position, strict=True)
            parsed = [_parse(kind, text) for kind, text in values]
            return replace(cursor, position=parsed)
        except (ValueError, OverflowError) as error:
            raise ValidationError(BROKEN) from error


def _parse(kind: type, text: str) -> Any:
    value = datetime.fromisoformat(text) if kind is datetime else kind(text)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(text)
        value = value.astimezone(UTC)
    if isinstance(value, int) and not 0 <= value < 2**63:
        raise ValueError(text)
    return value


class LimitSerializer(StrictQuerySerializer):
    """A subclass adds `after`, a CursorField for the columns that its list is sorted by."""

    limit = DigitsField(
        default=50,
        min_value=1,
        max_value=100,
        help_text="How many to return at most.",
        error_messages=same_message("Limit must be a whole number from 1 to 100"),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        filters = digest(attrs)
        if (after := attrs.get("after")) and after.filters != filters:
            raise ValidationError({"after": OTHER_FILTERS})
        return attrs | {"filters": filters}


class PageSerializer(LimitSerializer):
    """With an offset and dates besides."""

    offset = DigitsField(
        default=0,
        min_value=0,
        max_value=MAX_OFFSET,
        help_text="How many to skip. For more than 10,000, use `after`.",
        error_messages=same_message("Offset must be a whole number of at least 0")
        | {"max_value": f"Offset must be at most {MAX_OFFSET:,}; use 'after' for later pages"},
    )
    created_from = DateOrTimeField(
        "Created from",
        advice=PLUS,
        required=False,
        help_text="Only those created at this time or later.",
    )
    created_before = DateOrTimeField(
        "Created before",
        advice=PLUS,
        required=False,
        help_text="Only those created before this time.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["offset"] and attrs.get("after"):
            message = "Offset cannot be combined with after"
            raise ValidationError({"offset": ErrorDetail(message, "combination")})
        return super().validate(attrs)


def digest(query: Mapping[str, Any]) -> str:
    """A digest of the filters in a query; not of what only chooses the page."""
    filters = {name: query[name] for name in sorted(query) if name not in PAGE_PARAMETERS}
    return hashlib.sha256(repr(filters).encode()).hexdigest()[:12]


def created_between(query: Any) -> dict[str, datetime]:
    """The filter for the dates of a validated query."""
    names = {"created_from": "created_at__gte", "created_before": "created_at__lt"}
    return {lookup: query[name] for name, lookup in names.items() if name in query}
