"""The columns of the list of jobs."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator

from jobs.admin import job_summary
from jobs.models import ACTIVE, Status, VideoJob
from jobs.stats import lateness
from videostudio.core import formatting


class Columns(admin.ModelAdmin):
    """Every column uses only the row and its user, which one query reads."""

    list_display: Any = ("ordered", "state", "customer", "wish", "took", "tokens")
    list_display_links = ("ordered",)
    sortable_by = ("ordered",)

    @admin.display(description="ordered", ordering="created_at")
    def ordered(self, job: VideoJob) -> str:
        return format_html(
            '<span class="visually-hidden">Job of <bdi>{}</bdi>, ordered </span>'
            "{} <br><small>{}</small>",
            job.user,
            formatting.moment(job.created_at),
            formatting.since(job.created_at),
        )

    @admin.display(description="status")
    def state(self, job: VideoJob) -> str:
        labels = [
            formatting.badge(job.status),
            *([formatting.badge("mock")] if job.mock_mode else []),
            *([formatting.badge("private")] if job.private else []),
            *_late(job),
        ]
        shown = format_html_join(" ", "{}", zip(labels, strict=True))
        if job.status == Status.RUNNING:
            bar = '{}<br><progress max="100" value="{}" aria-label="Progress"></progress> {} %'
            return format_html(bar, shown, job.progress_percentage, job.progress_percentage)
        return format_html("{}<br><small>{}</small>", shown, job.error_code)

    @admin.display(description="user")
    def customer(self, job: VideoJob) -> str:
        page = reverse("admin:accounts_user_change", args=[job.user_id])
        return format_html(
            '<a href="{}"><bdi>{}</bdi></a><br><small><bdi>{}</bdi></small>',
            page,
            job.user,
            job.user.email,
        )

    @admin.display(description="prompt, model, id")
    def wish(self, job: VideoJob) -> str:
        return format_html(
            '<span dir="auto">{}</span><br><small>{} <span class="id" title="{}">{}</span></small>',
            Truncator(job.prompt).chars(80),
            job.model,
            job.pk,
            str(job.pk)[:8],
        )

    @admin.display(description="took")
    def took(self, job: VideoJob) -> str:
        shown = formatting.format_duration(job_summary.took_seconds(job, timezone.now()))
        return f"{shown} so far" if job.status in ACTIVE else shown

    @admin.display(description="tokens")
    def tokens(self, job: VideoJob) -> str:
        if not job.tokens_consumed:
            return formatting.badge("free")
        charged = formatting.number(job.tokens_consumed)
        if job.tokens_refunded:
            return format_html("{} {}", charged, formatting.badge("refunded"))
        return charged


def _late(job: VideoJob) -> Iterator[str]:
    if job.status in ACTIVE:
        now = timezone.now()
        if label := lateness.limits(now=now).label(job=job, now=now):
            yield formatting.badge("stuck", label)
