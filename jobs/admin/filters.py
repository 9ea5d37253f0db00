"""The filters of the list of jobs. Their choices need no query."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jobs.catalog import MODELS
from jobs.failures import ERROR_CODES
from jobs.models import HELD, Status, VideoJob, WebhookDelivery
from jobs.stats import lateness
from videostudio.core.admin_filters import PeriodFilter

Jobs = QuerySet[VideoJob]


class StatusFilter(admin.ChoicesFieldListFilter):
    """The statuses by their names in the API, as everywhere."""

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


class Held(admin.SimpleListFilter):
    title, parameter_name = "held", "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Held after a restore")]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        return queryset.filter(stage="", next_step_at=HELD) if self.value() else queryset


class Ordered(PeriodFilter):
    title = parameter_name = "ordered"
    between = ("ordered_from", "ordered_to")
