"""The admin site: access, names, and the front page."""

from collections.abc import Iterable
from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.db.models.base import ModelBase
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from accounts.two_factor import TwoFactorForm
from jobs.monitor import figures
from jobs.monitor.status_message import service_status
from jobs.stats import dashboard

HIDDEN = {"django_q", "otp_totp"}  # apps whose rows hold payloads and secrets
FIRST = ("jobs", "tokens_ledger", "accounts", "admin")  # order of the apps
MAIN = {"jobs": "VideoJob"}  # the model listed first in its app
NAMES = {"admin": "Staff actions", "axes": "Failed logins", "token_blacklist": "Refresh tokens"}


class StaffAdminSite(admin.AdminSite):
    site_title = site_header = "Video Studio"
    index_title = "Overview"
    enable_nav_sidebar = False  # lists need the width
    index_template = "admin/overview.html"
    login_template = "admin/staff_login.html"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Register models, except those that nobody should see."""
        is_one = isinstance(model_or_iterable, ModelBase)
        given: Iterable[Any] = [model_or_iterable] if is_one else model_or_iterable
        shown = [model for model in given if model._meta.app_label not in HIDDEN]
        super().register(shown, admin_class, **options)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["name"] = NAMES.get(app["app_label"], app["name"])
            app["models"].sort(key=lambda model: model["object_name"] != MAIN.get(app["app_label"]))
        last = len(FIRST)
        rank = {label: number for number, label in enumerate(FIRST)}
        return sorted(apps, key=lambda app: rank.get(app["app_label"], last))

    @property
    def login_form(self) -> type[AdminAuthenticationForm]:  # type: ignore[override]
        return TwoFactorForm if settings.ADMIN_OTP_REQUIRED else AdminAuthenticationForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff only, and only after the second login step if that is required."""
        verified = not settings.ADMIN_OTP_REQUIRED or cast(Any, request.user).is_verified()
        return super().has_permission(request) and verified

    def get_urls(self) -> list[Any]:
        """Without Django's redirect to an object's public page: no model has one."""
        overview = path("overview/", self.admin_view(self.overview), name="overview")
        stock = [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]
        return [overview, *stock]

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        return super().index(request, (extra_context or {}) | _figures(request))

    def overview(self, request: HttpRequest) -> HttpResponse:
        """The figures of the front page, which its script fetches to refresh them."""
        return TemplateResponse(request, "admin/overview/figures.html", _figures(request))


def _figures(request: HttpRequest) -> dict[str, Any]:
    now = timezone.now()
    parts = dashboard.for_user(user=request.user, now=now)
    if "jobs" in parts:
        parts["status"] = service_status(figures.current(now=now), now=now)
    return {"figures": parts}
