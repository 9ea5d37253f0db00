"""The list of jobs and the page of a job."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.models import User
from accounts.staff_log import StaffLogMixin
from jobs.admin import filters, job_summary, outlook, search, timeline
from jobs.admin.actions import ACTIONS
from jobs.admin.list_columns import Columns
from jobs.models import SPEC_COLUMNS, VideoJob
from jobs.stats import lateness
from jobs.templatetags.job_links import job_links
from tokens_ledger import ledger
from tokens_ledger.models import Account
from videostudio.core.admin import ReadOnlyAdmin, export
from videostudio.core.admin_actions import (
    ConfirmedAction,
    ConfirmedActionsMixin,
    Result,
)
from videostudio.core.admin_preview import OVER_LIMIT, PreviewRow

EXPORT = {
    "id": lambda job: str(job.pk),
    "user": lambda job: str(job.user),
    "email": lambda job: job.user.email,
    "status": lambda job: job.status,
    "errorCode": lambda job: job.error_code,
    "model": lambda job: job.model,
    "resolution": lambda job: job.resolution,
    "aspectRatio": lambda job: job.aspect_ratio,
    "durationSeconds": lambda job: job.duration_seconds,
    "generateAudio": lambda job: job.generate_audio,
    "seed": lambda job: job.seed,
    "mockMode": lambda job: job.mock_mode,
    "clientReference": lambda job: job.client_reference,
    "private": lambda job: job.private,
    "tokensConsumed": lambda job: job.tokens_consumed,
    "tokensRefunded": lambda job: job.tokens_refunded,
    "createdAt": lambda job: job.created_at.isoformat(),
    "startedAt": lambda job: job.started_at and job.started_at.isoformat(),
    "completedAt": lambda job: job.completed_at and job.completed_at.isoformat(),
    "videoUrl": lambda job: job.video_url,
    "videoRemovedAt": lambda job: job.video_removed_at and job.video_removed_at.isoformat(),
    "prompt": lambda job: job.prompt,
    "negativePrompt": lambda job: job.negative_prompt,
}
TEXTS = {"prompt", "negative_prompt"}  # the page shows them below the video


@admin.register(VideoJob)
class VideoJobAdmin(StaffLogMixin, ConfirmedActionsMixin, Columns, ReadOnlyAdmin):
    confirmed_actions = ACTIONS
    objects_name = "jobs"
    change_form_template = "admin/jobs/videojob/job.html"
    ordering = ("-created_at", "-id")
    list_filter = (
        *(
            ("status", filters.StatusFilter),
            filters.Late,
            filters.Held,
            filters.ErrorCode,
            filters.Ordered,
        ),
        *(filters.Refunded, filters.Model, "mock_mode", "private", filters.FailedWebhook),
    )
    search_fields = ("id",)  # enables the search box; search.py does the search
    search_help_text = (
        "User, e-mail, beginning of an id, words of the prompt or negative prompt. "
        "All words must match."
    )
    extra_lookups = ("user",)
    actions = ("export",)
    readonly_fields = ("status_name",)
    fieldsets = (
        ("Order", {"fields": (
            *(name for name in SPEC_COLUMNS.values() if name not in TEXTS),
            *("client_reference", "private"),
        )}),
        ("Result", {"fields": (
            *("status_name", "status_message", "progress_percentage"),
            *("error_code", "error_message"),
            *("tokens_consumed", "tokens_refunded", "expected_seconds"),
            *("created_at", "started_at", "completed_at"),
            *("video_url", "poster_url", "video_bytes"),
            *("video_removed_at", "video_removed_reason"),
        )}),
        ("Internal", {"fields": (
            *("stage", "failure_count", "crash_count", "next_step_at", "deadline_at"),
            *("operation", "submitted_at", "generated_at", "video_name", "version"),
        )}),
    )  # fmt: skip

    # ---- The list ----

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[VideoJob], search_term: str
    ) -> tuple[QuerySet[VideoJob], bool]:
        return search.search(queryset, search_term), False

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.export_videojob")

    @admin.action(description="Export selected jobs as CSV", permissions=["export"])
    def export(self, request: HttpRequest, queryset: QuerySet[VideoJob]) -> HttpResponseBase:
        """Exports all selected jobs, however many."""
        return export(request, queryset, EXPORT, self.users_in(request))

    # ---- The page of a job ----

    @admin.display(description="status")
    def status_name(self, job: VideoJob) -> str:
        """The API's name, not the label of the choice."""
        return job.status

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= self._page(context["original"], request.user)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[VideoJob]:
        return super().get_queryset(request).select_related("user")

    def _page(self, job: VideoJob, viewer: Any) -> dict[str, Any]:
        """With what `viewer` may see."""
        now, moments = timezone.now(), timeline.of(job)
        sees_tokens = viewer.has_perm("tokens_ledger.view_entry")
        images = job.images.defer("content").order_by("role", "position")
        return {
            "job": job,
            "title": "Job",
            "story": job_summary.of(job, now),
            "timeline": [each for each in moments if sees_tokens or each.kind != "tokens"],
            "images": images if viewer.has_perm("jobs.view_jobimage") else [],
            "balance": ledger.balance(user=job.user) if sees_tokens else None,
            "reruns": job.reruns.order_by("created_at")[:20],
            "late": lateness.limits(now=now).label(job=job, now=now) if job.next_step_at else "",
            "outlook": outlook.of(job=job, now=now),
            "now": now,
        }

    # ---- The actions ----

    def get_preview_context(
        self, action: ConfirmedAction, actor: Any, rows: list[PreviewRow]
    ) -> dict[str, Any]:
        return {"balances": _balances(rows), "daily_limit": _daily_limit(action, actor, rows)}

    def result_message(self, result: Result) -> str:
        return job_links(f"Job {super().result_message(result)}")


def _daily_limit(
    action: ConfirmedAction, actor: User, rows: list[PreviewRow]
) -> dict[str, Any] | None:
    """For refunds: the person's daily limit and what is left of it; None if there is none."""
    left = action.tokens_left(actor)
    if left is None:
        return None
    is_exceeded = any(row.refusal == OVER_LIMIT for row in rows)
    return {"limit": settings.STAFF_REFUND_DAILY_TOKENS, "left": left, "is_exceeded": is_exceeded}


def _balances(rows: list[PreviewRow]) -> list[dict[str, Any]]:
    """For each user whose balance would change: the balance before and after."""
    changes: Counter[User] = Counter()
    for row in rows:
        changes[row.object.user] += row.token_change
    accounts = Account.objects.filter(user__in=changes).values_list("user", "balance")
    balances = dict(accounts)
    return [
        {"user": user, "before": before, "change": change, "after": before + change}
        for user, change in changes.items()
        for before in [balances.get(user.pk, 0)]
        if change
    ]
