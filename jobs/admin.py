"""Windows on the jobs, and one door: the refund, which `lifecycle` makes."""

from typing import cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import Truncator

from accounts.admin import ReadOnlyAdmin
from accounts.models import User
from jobs import lifecycle
from jobs.models import IdempotencyKey, JobEvent, JobImage, SubmissionGate, Tally, Tick, VideoJob
from tokens_ledger import ledger


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500, help_text="The customer reads it among their tokens' entries."
    )


@admin.register(VideoJob)
class VideoJobAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "beginning", "status", "error_code", "id")
    ordering = ("-created_at", "-id")
    list_filter = ("status", "mock_mode", "error_code")
    list_select_related = ("user",)
    search_fields = ("id", "prompt", "user__username", "user__email")
    date_hierarchy = "created_at"
    actions = ("refund_jobs",)

    @admin.display(description="prompt")
    def beginning(self, job: VideoJob) -> str:
        return Truncator(job.prompt).chars(40)

    def has_refund_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.refund_videojob")

    @admin.action(description="Refund selected jobs", permissions=["refund"])
    def refund_jobs(
        self, request: HttpRequest, queryset: QuerySet[VideoJob]
    ) -> TemplateResponse | None:
        """Asks for a reason first; then refunds each job and says of each how it went."""
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            page = {"form": form, "jobs": queryset, "title": "Refund selected jobs"}
            context = self.admin_site.each_context(request) | page
            return TemplateResponse(request, "admin/jobs/refund.html", context)
        for job in queryset:
            self._refund(request, job, form.cleaned_data["reason"])
        return None

    def _refund(self, request: HttpRequest, job: VideoJob, reason: str) -> None:
        try:
            tokens = lifecycle.refund(
                job=job, actor=cast(User, request.user), reason=reason, now=timezone.now()
            )
        except ledger.AlreadyRefunded:
            self.message_user(request, f"{job}: was refunded before.", messages.WARNING)
        except ledger.NothingToRefund:
            self.message_user(request, f"{job}: was never charged.", messages.WARNING)
        else:
            self.log_change(request, job, f"Refunded {tokens} tokens: {reason}")
            self.message_user(request, f"{job}: {tokens} tokens refunded.", messages.SUCCESS)


@admin.register(JobEvent)
class JobEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "job_id", "level", "message", "internal")
    list_filter = ("level", "internal")
    raw_id_fields = ("job",)


@admin.register(JobImage)
class JobImageAdmin(ReadOnlyAdmin):
    list_display = ("job_id", "role", "position", "width", "height")
    exclude = ("content",)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("user", "job_id", "created_at")
    list_select_related = ("user",)


admin.site.register((Tick, SubmissionGate, Tally), ReadOnlyAdmin)
