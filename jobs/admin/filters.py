"""The filters of the list of jobs. Their choices need no query."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from jobs.catalog import MODELS
from jobs.failures import ERROR_CODES
from jobs.models import HELD, Status, VideoJob, WebhookDelivery
from jobs.stats import lateness
from videostudio.core.admin_filters import PeriodFilter

Jobs = QuerySet[VideoJob]
FAILED_DELIVERY = WebhookDelivery.objects.filter(
    job_id=OuterRef("pk"), status=WebhookDelivery.Status.FAILED
)


class StatusFilter(admin.ChoicesFieldListFilter):
    """The statuses, with their names in the API."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        everything, *statuses = super().choices(changelist)
        yield everything
        yield from (choice | {"display": choice["display"].upper()} for choice in statuses)


class ConditionFilter(admin.SimpleListFilter):
    """`conditions` has the label and the condition of each choice, by its value in the URL."""

    conditions: Mapping[str, tuple[str, Q | Exists]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        if not self.value():
            return queryset
        _, condition = self.conditions.get(self.value() or "", ("", Q(pk=None)))
        return queryset.filter(condition)


class ErrorCode(ConditionFilter):
    title, parameter_name = "error code", "error_code"
    conditions = {code: (code, Q(status=Status.FAILED, error_code=code)) for code in ERROR_CODES}


class Model(ConditionFilter):
    title, parameter_name = "model", "model"
    conditions = {model: (model, Q(model=model)) for model in MODELS}

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs:
        """Models that are no longer in the catalog can be asked for too."""
        return queryset.filter(model=self.value()) if self.value() else queryset


class Refunded(ConditionFilter):
    title, parameter_name = "tokens", "tokens"
    conditions = {
        "refunded": ("Refunded", Q(tokens_refunded__gt=0)),
        "kept": ("Not refunded", Q(tokens_consumed__gt=0, tokens_refunded=0)),
        "free": ("Free of charge", Q(tokens_consumed=0)),
    }


class FailedWebhook(ConditionFilter):
    title, parameter_name = "webhook", "webhook"
    conditions = {"failed": ("Not delivered", Exists(FAILED_DELIVERY))}


class Held(ConditionFilter):
    title, parameter_name = "held", "held"
    conditions = {"yes": ("Held after a restore", Q(stage="", next_step_at=HELD))}


class Late(admin.SimpleListFilter):
    title, parameter_name = "late", "late"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("stuck", "Stuck"), ("waiting", "Waiting too long")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not (chosen := self.value()):
            return queryset
        now = timezone.now()
        limits = lateness.limits(now=now)
        late = {"stuck": limits.stuck, "waiting": limits.waiting}.get(chosen)
        if not late:
            raise IncorrectLookupParameters
        return late(queryset, now=now)


class Ordered(PeriodFilter):
    title = parameter_name = "ordered"
    between = ("ordered_from", "ordered_to")
