"""The names and addresses of all pages, derived from the admin's registry and the URL patterns.

    manage.py shell -c "from tests.pages import every_page; every_page.write()"

`write` adds what the pages of `staff_scene` lack, and prints the addresses as JSON.
"""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.tokens import default_token_generator
from django.contrib.contenttypes.models import ContentType
from django.test import RequestFactory
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone
from rest_framework_simplejwt.tokens import RefreshToken

from accounts import api_keys
from accounts.models import User
from jobs import job_creation
from jobs.models import HELD, IdempotencyKey, Status, Tally, VideoJob, VideoRemoval, WebhookDelivery
from jobs.providers.base import Inputs
from jobs.webhooks import registry
from tests.pages import staff_scene

LONG = "A very long prompt about a lighthouse in the fog. " * 40
PROMPTS = (
    *("🦊🌋 A fox 👩‍🚀 looks into a volcano", "منارة على البحر عند الغسق", "מגדלור על חוף הים"),
    *("海辺の灯台、夕暮れ", "W" * 300, LONG),
)
FIXED: dict[str, Callable[[], str]] = {
    name: lambda name=name: reverse(name)
    for name in ("home", "monitor", "guide", "guide-openai", "docs")
} | {
    "monitor: wall": lambda: "/video-monitor?view=wall",
    "monitor: FAILED": lambda: "/video-monitor?status=FAILED",
    "monitor: search": lambda: "/video-monitor?q=foxes",
    "monitor: nothing found": lambda: "/video-monitor?q=zeppelin",
    "monitor: page without jobs": lambda: "/video-monitor?page=999",
    "monitor: no such page": lambda: "/video-monitor/nothing",
    "not found": lambda: "/nowhere",
    "password-reset": lambda: f"/account/password?token={_token()}",
    "password-reset: used link": lambda: "/account/password?token=used",
    "admin: not found": lambda: "/admin/nowhere/",
    "admin: forbidden": lambda: "/admin/jobs/videojob/add/",
    "admin: jobs, nothing found": lambda: "/admin/jobs/videojob/?q=zeppelin&status__exact=FAILED",
    "admin: app_list": lambda: "/admin/jobs/",
    "admin:index": lambda: reverse("admin:index"),
    "admin:password_change": lambda: reverse("admin:password_change"),
    "admin:auth_user_password_change": lambda: reverse(
        "admin:auth_user_password_change", args=[User.objects.get(username="maria").pk]
    ),
}
WITH_HISTORY = ("admin:jobs_videojob", "admin:accounts_user")  # all look alike
ANONYMOUS = {"admin:login": "/admin/login/"}
NOT_PAGES = {
    *("monitor-feed", "guide-markdown", "schema"),  # no HTML
    *("admin:overview", "admin:jobs_jobimage_picture"),  # parts of other pages
    *("admin:autocomplete", "admin:jsi18n"),  # data for scripts
    *("admin:logout", "admin:password_change_done"),  # after a form was sent
    "admin:app_list",  # "admin: app_list"
}


def names() -> list[str]:
    return [
        *FIXED,
        *(f"job: {status}" for status in Status.values),
        *ANONYMOUS,
        *dict(_admin_pages()),
    ]


def pattern_names() -> Iterator[str]:
    """The names of all URL patterns outside the API."""
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLPattern):
            yield from [pattern.name] if pattern.name else []
        elif str(pattern.pattern) not in ("api/", "v1/") and "api/" not in str(pattern.pattern):
            prefix = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from (f"{prefix}{name}" for name in _names_in(pattern.url_patterns))


def _names_in(patterns: list[Any]) -> Iterator[str]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _names_in(pattern.url_patterns)
        elif pattern.name and not str(pattern.pattern).startswith("api/"):
            yield pattern.name


def _admin_pages() -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Each page that a superuser sees: its name, with the model's admin and the action, if any."""
    for name, model_admin in _model_admins():
        for kind in ("changelist", "change", *_may(model_admin)):
            yield f"{name}_{kind}", (model_admin, None)
        if name in WITH_HISTORY:
            yield f"{name}_history", (model_admin, None)
        for action in getattr(model_admin, "confirmed_actions", []):
            yield f"{name}_{action.name}", (model_admin, action)


def left_out() -> Iterator[str]:
    """The pages that nobody may open ("admin: forbidden" is one), and those like another one."""
    for name, model_admin in _model_admins():
        yield from (f"{name}_{kind}" for kind in {"add", "delete"} - set(_may(model_admin)))
        yield f"{name}_history"


def _model_admins() -> Iterator[tuple[str, Any]]:
    for model, model_admin in admin.site._registry.items():
        yield f"admin:{model._meta.app_label}_{model._meta.model_name}", model_admin


def _may(model_admin: Any) -> Iterator[str]:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True)
    if model_admin.has_add_permission(request):
        yield "add"
    if model_admin.has_delete_permission(request):
        yield "delete"


# ---- In the service ----


def write() -> None:
    _more_rows()
    root = User.objects.get(username="root")
    paths = {name: make() for name, make in FIXED.items()} | ANONYMOUS
    for status in Status.values:
        job = VideoJob.objects.filter(status=status).order_by("-created_at").first()
        paths[f"job: {status}"] = reverse("monitor-job", args=[job.pk]) if job else "missing"
    for name, (model_admin, action) in _admin_pages():
        kind = name.rpartition("_")[2]
        if kind in ("changelist", "add"):
            paths[name] = reverse(name)
        else:
            rows = model_admin.model._default_manager.order_by("-pk")[:500]
            chosen = (row for row in rows if action is None or action.is_available(row, root))
            row = next((row for row in chosen if kind != "delete" or _may_go(row)), None)
            paths[name] = reverse(name, args=[quote(row.pk)]) if row else "missing"
    print(json.dumps(paths))


def _may_go(row: Any) -> bool:
    return not isinstance(row, User) or row.username == "guest"


def _token() -> str:
    user = User.objects.get(username="maria")
    return f"{user.pk.hex}.{default_token_generator.make_token(user)}"


def _more_rows() -> None:
    now = timezone.now()
    maria, root = User.objects.get(username="maria"), User.objects.get(username="root")
    User.objects.create_user("guest", "guest@example.com")
    User.objects.create_user("gone", "gone@example.com", is_active=False)
    maria.notes.create(author=root, text="يطلب الفاتورة كل شهر", created_at=now)
    api_keys.create(user=maria, name="مفتاح الخادم", now=now)
    LogEntry.objects.create(
        user=root,
        object_repr="maria",
        object_id=str(maria.pk),
        action_flag=CHANGE,
        content_type=ContentType.objects.get_for_model(User),
        change_message="Deactivated: أساء الاستخدام",
    )
    RefreshToken.for_user(maria).blacklist()
    AccessAttempt.objects.create(
        username="mallory", ip_address="192.0.2.7", attempt_time=now, failures_since_start=3
    )
    lucia = User.objects.get(username="lucia")
    for prompt in PROMPTS:
        order = staff_scene.order(prompt, negative_prompt=prompt[:100])
        job_creation.create(user=maria, spec=order, inputs=Inputs(), now=now)
    job = VideoJob.objects.filter(user=lucia).order_by("created_at").first()
    assert job
    IdempotencyKey.objects.create(user=lucia, key="k" * 8, job_id=job.pk, created_at=now)
    # The oldest may start at any moment; the newest is the page of a PENDING job.
    held = VideoJob.objects.waiting().filter(user=maria).order_by("-created_at")[1]
    VideoJob.objects.filter(pk=held.pk).update(next_step_at=HELD)
    ended = VideoJob.objects.filter(status=Status.SUCCEEDED).order_by("created_at").first()
    assert ended
    url = "https://shop.example/hook"
    registry.put(user=ended.user, url=url, events=["video_job.succeeded"], now=now)
    WebhookDelivery.objects.create(
        user=ended.user,
        job_id=ended.pk,
        type="video_job.succeeded",
        url=url,
        host="shop.example",
        from_order=False,
        body="{}",
        status=WebhookDelivery.Status.FAILED,
        attempts=9,
        last_error="There was no answer within 15 seconds.",
        created_at=now - timedelta(days=1),
    )
    VideoRemoval.objects.create(
        job_id=ended.pk,
        name="ai_studio/videos/gone",
        is_local=False,
        cause=VideoRemoval.Cause.values[0],
        created_at=now,
        next_try_at=now + timedelta(days=1),
        last_error="Cloudinary answered 401.",
    )
    Tally.objects.get_or_create(name="requests", kind="test", value="1")
