"""A user's jobs and webhook, on the user's page."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.admin import Fact, UserAdmin
from accounts.models import User
from jobs.models import VideoJob
from jobs.stats import job_totals
from jobs.statuses import FINAL
from jobs.webhooks import outbox, registry
from videostudio.core import formatting

SHOWN, FAILURES_SHOWN = 10, 5


def panel(request: HttpRequest, user: User) -> str:
    if not request.user.has_perm("jobs.view_videojob"):
        return ""
    newest = VideoJob.objects.for_user(user).order_by("-created_at", "-id")[:SHOWN]
    context = {"customer": user, "jobs": newest, "shown": SHOWN}
    return render_to_string("admin/accounts/user/jobs.html", context, request)


def facts(request: HttpRequest, user: User) -> Iterator[Fact]:
    """The last order, and the number of jobs of each final status."""
    if not request.user.has_perm("jobs.view_videojob"):
        return
    newest = VideoJob.objects.for_user(user).order_by("-created_at", "-id").first()
    if newest:
        page = reverse("admin:jobs_videojob_change", args=[newest.pk])
        yield Fact("Last order", formatting.since(newest.created_at), page)
    jobs = f"{reverse('admin:jobs_videojob_changelist')}?user={user.pk}"
    counts = job_totals.of_user(user.pk)
    yield Fact("Jobs", formatting.number(counts.jobs), jobs)
    for status in FINAL:
        number = getattr(counts, status.lower())
        yield Fact(status, formatting.number(number), f"{jobs}&status__exact={status}")


def webhook_panel(request: HttpRequest, user: User) -> str:
    """The webhook's host and state. Its path may be a secret, as its secret is."""
    if not request.user.has_perm("jobs.view_videojob") or not (webhook := registry.of(user)):
        return ""
    failures = registry.newest_failures(user=user)[:FAILURES_SHOWN]
    context = {"webhook": webhook, "host": outbox.host(webhook.url), "failures": failures}
    return render_to_string("admin/accounts/user/webhook.html", context, request)


UserAdmin.panels += [panel, webhook_panel]
UserAdmin.facts.append(facts)
