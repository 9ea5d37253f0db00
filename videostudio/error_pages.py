"""The pages for 403 and 404: those of the admin have the admin's frame."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views import defaults

from videostudio.core.api import errors

TITLES = {403: "Permission denied", 404: "Not found"}


def permission_denied(request: HttpRequest, exception: Exception) -> Any:
    if _is_admin(request):
        return _in_admin(request, 403)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception | None = None) -> Any:
    return _in_admin(request, 404) if _is_admin(request) else errors.not_found(request, exception)


def _is_admin(request: HttpRequest) -> bool:
    """Whether a member of staff asks for a page of the admin."""
    user = getattr(request, "user", None)
    return request.path.startswith(reverse("admin:index")) and bool(user and user.is_staff)


def _in_admin(request: HttpRequest, status: int) -> HttpResponse:
    context = admin.site.each_context(request) | {"title": TITLES[status]}
    return render(request, f"admin/{status}.html", context, status=status)
