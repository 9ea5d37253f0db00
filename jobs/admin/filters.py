"""The filters of the list of jobs. Their choices need no query."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs.catalog import MODELS
from jobs.failures import ERROR_CODES
from jobs.models import Status, VideoJob, WebhookDelivery
from jobs.stats import lateness

Jobs = QuerySet[VideoJob]
PERIODS = {
    "hour": ("Past hour", timedelta(hours=1)),
    "day": ("Past 24 hours", timedelta(days=1)),
    "week": ("Past 7 days", timedelta(days=7)),
    "month": ("Past 30 days", timedelta(days=30)),
}


class StatusFilter(admin.ChoicesFieldListFilter):
    """The statuses by their names in the API."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        everything, *statuses = super().choices(changelist)
        yield everything
        yield from (choice | {"display": choice["display"].upper()} for choice in statuses)


class ErrorCode(admin.SimpleListFilter):
    title, parameter_name = "error code", "error_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, code) for code in ERROR_CODES]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        code = self.value()
        return queryset.filter(status=Status.FAILED, error_code=code) if code else queryset


class Model(admin.SimpleListFilter):
    title, parameter_name = "model", "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(model, model) for model in MODELS]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        return queryset.filter(model=self.value()) if self.value() else queryset


class Refunded(admin.SimpleListFilter):
    title, parameter_name = "tokens", "tokens"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("refunded", "Refunded"), ("kept", "Not refunded"), ("free", "Free of charge")]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        match self.value():
            case "refunded":
                return queryset.filter(tokens_refunded__gt=0)
            case "kept":
                return queryset.filter(tokens_consumed__gt=0, tokens_refunded=0)
            case "free":
                return queryset.filter(tokens_consumed=0)
        return queryset


class FailedWebhook(admin.SimpleListFilter):
    title, parameter_name = "webhook", "webhook"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Not delivered")]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        if not self.value():
            return queryset
        failed = WebhookDelivery.objects.filter(
            job_id=OuterRef("pk"), status=WebhookDelivery.Status.FAILED
        )
        return queryset.filter(Exists(failed))


class Late(admin.SimpleListFilter):
    title, parameter_name = "late", "late"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("stuck", "Stuck"), ("waiting", "Waiting too long")]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        now = timezone.now()
        match self.value():
            case "stuck":
                return lateness.limits(now=now).stuck(queryset, now=now)
            case "waiting":
                return lateness.limits(now=now).waiting(queryset, now=now)
        return queryset


class Ordered(admin.SimpleListFilter):
    """A period until now, or the time between two moments (UTC) from the template's form."""

    title, parameter_name = "ordered", "ordered"
    template = "admin/jobs/videojob/ordered_filter.html"
    between = ("ordered_from", "ordered_to")

    def __init__(self, request: HttpRequest, params: dict, *more: Any) -> None:
        self.moments = {name: params.pop(name, [""])[-1] for name in self.between}
        super().__init__(request, params, *more)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in PERIODS.items()]

    def expected_parameters(self) -> Any:
        return [self.parameter_name, *self.between]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        if period := PERIODS.get(self.value() or ""):
            queryset = queryset.filter(created_at__gte=timezone.now() - period[1])
        if start := _moment(self.moments["ordered_from"]):
            queryset = queryset.filter(created_at__gte=start)
        if end := _moment(self.moments["ordered_to"]):
            queryset = queryset.filter(created_at__lt=end)
        return queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        others = [*self.between, self.parameter_name]
        yield from super().choices(changelist)
        self.rest = [
            (name, value)
            for name, values in sorted(changelist.filter_params.items())
            for value in values
            if name not in others
        ]


def _moment(text: str) -> datetime | None:
    """The value of a browser's date field, as UTC; None if it is empty or invalid."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found and found.replace(tzinfo=found.tzinfo or timezone.get_default_timezone())
