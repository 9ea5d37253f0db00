"""The list of jobs and the page of one, and the ways from both to the doors."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from accounts.models import User
from accounts.staff_log import StaffLogMixin
from jobs.admin import filters, job_summary, search, timeline
from jobs.admin.actions import DOORS, Door, pass_through
from jobs.admin.list_columns import Columns
from jobs.models import ACTIVE, VideoJob
from jobs.stats import estimates
from jobs.templatetags.job_links import job_links
from tokens_ledger import ledger
from tokens_ledger.models import Account
from videostudio.core.admin import ReadOnlyAdmin, export
from videostudio.core.admin_forms import ReasonForm, safe_next_url

LIST = "admin:jobs_videojob_changelist"
MAX_SELECTED = 500  # jobs that one form acts on; each is a transaction of its own
FEW = 5  # results that need no summary
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
    "mockMode": lambda job: job.mock_mode,
    "tokensConsumed": lambda job: job.tokens_consumed,
    "tokensRefunded": lambda job: job.tokens_refunded,
    "createdAt": lambda job: job.created_at.isoformat(),
    "startedAt": lambda job: job.started_at and job.started_at.isoformat(),
    "completedAt": lambda job: job.completed_at and job.completed_at.isoformat(),
    "videoUrl": lambda job: job.video_url,
    "prompt": lambda job: job.prompt,
}


@admin.register(VideoJob)
class VideoJobAdmin(StaffLogMixin, Columns, ReadOnlyAdmin):
    change_form_template = "admin/jobs/videojob/job.html"
    ordering = ("-created_at", "-id")
    list_filter = (
        *("status", filters.Stuck, filters.ErrorCode, filters.Ordered),
        *(filters.Refunded, filters.Model, "mock_mode"),
    )
    search_fields = ("id",)  # what is searched is search.py's
    search_help_text = "User, e-mail, part of an id, words of the prompt: all that you type."
    extra_lookups = ("user",)
    actions = ()
    fieldsets = (
        ("Asked for", {"fields": (
            *("prompt", "model", "resolution", "aspect_ratio", "duration_seconds"),
            *("generate_audio", "mock_mode", "has_initial_image", "has_end_frame"),
            "reference_image_count",
        )}),
        ("Answered", {"fields": (
            *("status", "status_message", "progress_percentage", "error_code", "error_message"),
            *("tokens_consumed", "tokens_refunded", "expected_seconds"),
            *("created_at", "started_at", "completed_at"),
            *("video_url", "poster_url", "video_bytes"),
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

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """The doors that this member of staff may open, and the export."""
        actions: dict[str, Any] = {
            f"{door.name}_jobs": (_opens(door), f"{door.name}_jobs", door.label)
            for door in DOORS.values()
            if request.user.has_perm(door.permission)
        }
        if request.user.has_perm("jobs.export_videojob"):
            actions["export"] = (VideoJobAdmin.export, "export", "Export selected jobs as CSV")
        return actions

    def export(self, request: HttpRequest, queryset: QuerySet[VideoJob]) -> HttpResponseBase:
        """Everything that was selected, however much."""
        return export(request, queryset.select_related("user"), EXPORT)

    # ---- One job ----

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        job = self.get_object(request, object_id) if object_id else None
        context = {}
        if job and self.has_view_permission(request, job):
            context = self._page(request, job)
        return super().changeform_view(request, object_id, form_url, context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """The job, looked up once a request."""
        known = getattr(request, "_job", None)
        if known is None or str(known.pk) != object_id:
            known = super().get_object(request, object_id, from_field)
            request._job = known  # type: ignore[attr-defined]
        return known

    def get_queryset(self, request: HttpRequest) -> QuerySet[VideoJob]:
        return super().get_queryset(request).select_related("user")

    def _page(self, request: HttpRequest, job: VideoJob) -> dict[str, Any]:
        now = timezone.now()
        return {
            "job": job,
            "title": "Job",
            "story": job_summary.of(job, now),
            "timeline": timeline.of(job),
            "images": job.images.defer("content").order_by("role", "position"),
            "balance": ledger.balance(user=job.user),
            "doors": [door for door in DOORS.values() if door.is_open(job, request.user)],
            "reruns": job.reruns.order_by("created_at")[:20],
            "stuck": job.status in ACTIVE and _is_stuck(job, now),
            "now": now,
        }

    # ---- The doors ----

    def get_urls(self) -> list[URLPattern]:
        doors = [
            path(
                f"{door.name}/",
                self.admin_site.admin_view(self.door_view),
                {"name": door.name},
                name=f"jobs_videojob_{door.name}",
            )
            for door in DOORS.values()
        ]
        return [*doors, *super().get_urls()]

    def door_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """GET ?job=… shows what would happen; POST does it, job by job, and tells of each."""
        door = DOORS[name]
        if not request.user.has_perm(door.permission):
            raise PermissionDenied
        given = dict.fromkeys(_uuid(text) for text in _lists(request, "job"))
        every = [id for id in given if id]
        asked, left = every[:MAX_SELECTED], len(every[MAX_SELECTED:])
        jobs = list(self.get_queryset(request).filter(pk__in=asked))
        form = door.form(request.POST if request.method == "POST" else None)
        back = safe_next_url(request, reverse(LIST))
        if request.method != "POST" or not form.is_valid():
            gone = len(asked) - len(jobs)
            return self.confirm(
                request, door, jobs=jobs, back=back, form=form, gone=gone, cut=bool(left)
            )
        found = {job.pk: job for job in jobs}
        results = [
            (id, *self._through(request, door, found.get(id) or VideoJob(pk=id), form))
            for id in asked
        ]
        _tell(request, door, results, left)
        return HttpResponseRedirect(back)

    def _through(
        self, request: HttpRequest, door: Door, job: VideoJob, form: ReasonForm
    ) -> tuple[bool, str]:
        return pass_through(
            door,
            job=job,
            actor=cast(User, request.user),
            given=form.cleaned_data,
            note=lambda job, what: self.log_change(request, job, what),
        )

    def confirm(
        self,
        request: HttpRequest,
        door: Door,
        *,
        jobs: list[VideoJob],
        back: str,
        form: ReasonForm | None = None,
        gone: int = 0,
        cut: bool = False,
    ) -> TemplateResponse:
        """What would happen to each job, and to each user's tokens."""
        rows = [
            (job, why_not, door.effect(job))
            for job, why_not in zip(jobs, door.why_not(jobs), strict=True)
        ]
        context = self.admin_site.each_context(request) | {
            "title": door.button,
            "door": door,
            "form": form or door.form(),
            "rows": rows,
            "balances": _balances(rows),
            "possible": sum(not why_not for _, why_not, _ in rows),
            "gone": gone,
            "cut": cut,
            "next": back,
            "action_url": reverse(f"admin:jobs_videojob_{door.name}"),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/jobs/videojob/door.html", context)


def _opens(door: Door) -> Any:
    """The action that leads from a selection in the list to the door's page."""

    def open(
        window: VideoJobAdmin, request: HttpRequest, queryset: QuerySet[VideoJob]
    ) -> HttpResponse:
        jobs = list(queryset.select_related("user")[: MAX_SELECTED + 1])
        cut = len(jobs) > MAX_SELECTED
        back = request.get_full_path()
        return window.confirm(request, door, jobs=jobs[:MAX_SELECTED], back=back, cut=cut)

    return open


def _tell(
    request: HttpRequest, door: Door, results: list[tuple[UUID, bool, str]], left: int
) -> None:
    """A message for each job; above many of them, how many went which way."""
    if not results:
        messages.warning(request, "No job was chosen: nothing was done.")
    if left:
        messages.warning(
            request,
            f"One form takes {MAX_SELECTED} jobs: {left} more were sent, and nothing was done to "
            "them. Do them afterwards.",
        )
    if len(results) > FEW:
        done = sum(was_done for _, was_done, _ in results)
        skipped = len(results) - done
        messages.info(request, f"{door.button}: {done} jobs done, {skipped} skipped.")
    for id, was_done, sentence in results:
        level = messages.SUCCESS if was_done else messages.WARNING
        messages.add_message(request, level, job_links(f"Job {id}: {sentence}"))


def _lists(request: HttpRequest, name: str) -> list[str]:
    return (request.POST if request.method == "POST" else request.GET).getlist(name)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _balances(rows: list[tuple[VideoJob, str, int]]) -> list[dict[str, Any]]:
    """Of each user whose tokens would change: how many before, and after."""
    changes: dict[User, int] = {}
    for job, why_not, effect in rows:
        if not why_not and effect:
            changes[job.user] = changes.get(job.user, 0) + effect
    accounts = Account.objects.filter(user__in=changes).values_list("user", "balance")
    balances = dict(accounts)
    return [
        {"user": user, "before": before, "change": change, "after": before + change}
        for user, change in changes.items()
        for before in [balances.get(user.pk, 0)]
    ]


def _is_stuck(job: VideoJob, now: Any) -> bool:
    jobs = estimates.with_since(VideoJob.objects.active().filter(pk=job.pk))
    return jobs.filter(estimates.stuck(now=now)).exists()
