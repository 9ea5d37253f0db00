"""A user's jobs, on the user's page."""

from django.http import HttpRequest
from django.template.loader import render_to_string

from accounts.admin import UserAdmin
from accounts.models import User
from jobs.models import VideoJob

SHOWN = 10


def panel(request: HttpRequest, user: User) -> str:
    if not request.user.has_perm("jobs.view_videojob"):
        return ""
    newest = VideoJob.objects.for_user(user).order_by("-created_at", "-id")[:SHOWN]
    context = {"customer": user, "jobs": newest, "shown": SHOWN}
    return render_to_string("admin/accounts/user/jobs.html", context, request)


UserAdmin.panels.append(panel)
