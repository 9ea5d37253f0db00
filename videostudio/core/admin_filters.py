"""A filter of the admin's lists by a period."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

PERIODS = {
    "hour": ("Past hour", timedelta(hours=1)),
    "day": ("Past 24 hours", timedelta(days=1)),
    "week": ("Past 7 days", timedelta(days=7)),
    "month": ("Past 30 days", timedelta(days=30)),
}


class PeriodFilter(admin.SimpleListFilter):
    """A period until now, or the time between two moments (UTC) from the template's form.

    A subclass sets `title`, `parameter_name`, `between` (the names of the two moments) and, if the
    time is not `created_at`, `field`.
    """

    between: tuple[str, str]
    field = "created_at"

    template = "admin/core/period_filter.html"

    def __init__(self, request: HttpRequest, params: dict, *more: Any) -> None:
        self.start, self.end = (params.pop(name, [""])[-1] for name in self.between)
        super().__init__(request, params, *more)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in PERIODS.items()]

    def expected_parameters(self) -> Any:
        return [self.parameter_name, *self.between]

    @property
    def is_set(self) -> bool:
        return bool(self.value() in PERIODS or _moment(self.start) or _moment(self.end))

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if period := PERIODS.get(self.value() or ""):
            queryset = queryset.filter(**{f"{self.field}__gte": timezone.now() - period[1]})
        if start := _moment(self.start):
            queryset = queryset.filter(**{f"{self.field}__gte": start})
        if end := _moment(self.end):
            queryset = queryset.filter(**{f"{self.field}__lt": end})
        return queryset

    def in_words(self) -> list[str]:
        """The chosen period and the moments; empty if the filter is not active."""
        period = PERIODS.get(self.value() or "")
        start, end = (
            text.replace("T", " ") if _moment(text) else "" for text in (self.start, self.end)
        )
        moments = f"{start} to {end}" if start and end else start and f"from {start}"
        moments = moments or (end and f"until {end}")
        return [text for text in (period and period[0], moments) if text]

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield from super().choices(changelist)
        self.rest = [
            (name, value)
            for name, values in sorted(changelist.filter_params.items())
            for value in values
            if name not in self.expected_parameters()
        ]


def _moment(text: str) -> datetime | None:
    """The value of a browser's date field, as UTC; None if it is empty or invalid."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found and found.replace(tzinfo=found.tzinfo or timezone.get_default_timezone())
