"""A user's jobs and webhook, on the user's page."""

from django.http import HttpRequest
from django.template.loader import render_to_string

from accounts.admin import UserAdmin
from accounts.models import User
from jobs.models import VideoJob
from jobs.webhooks import outbox, registry

SHOWN, FAILURES_SHOWN = 10, 5


def panel(request: HttpRequest, user: User) -> str:
    if not request.user.has_perm("jobs.view_videojob"):
        return ""
    newest = VideoJob.objects.for_user(user).order_by("-created_at", "-id")[:SHOWN]
    context = {"customer": user, "jobs": newest, "shown": SHOWN}
    return render_to_string("admin/accounts/user/jobs.html", context, request)


def webhook_panel(request: HttpRequest, user: User) -> str:
    """The webhook's host and state. Its path may be a secret, as its secret is."""
    if not request.user.has_perm("jobs.view_videojob") or not (webhook := registry.of(user)):
        return ""
    failures = registry.newest_failures(user=user)[:FAILURES_SHOWN]
    context = {"webhook": webhook, "host": outbox.host(webhook.url), "failures": failures}
    return render_to_string("admin/accounts/user/webhook.html", context, request)


UserAdmin.panels += [panel, webhook_panel]
