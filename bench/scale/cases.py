"""What is measured: requests, pages, passes of a worker, and commands."""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

from bench.scale.fill import HEAVY

TIMES = 7
LONG_SECONDS = 1.0  # what takes longer is measured once
JOBS, TOKENS = "/api/v1/video-jobs", "/api/v1/tokens"
LIST = "/admin/jobs/videojob/"
LONG_AGO = timedelta(days=10_000)
# The hourly ones read whole tables, the overview the jobs of a day, and once in half a minute. The
# usage adds up the user's entries of 30 days. /metrics counts the waiting jobs, within a limit of
# its own.
GROWS = {
    *("pass: ledger check", "pass: housekeeping", "command: check_ledger"),
    *("staff: overview", "token usage", "/metrics"),
}

Case = Callable[[], Any]


def open_service(database_url: str, environment: dict[str, str]) -> None:
    """Set Django up for this database, in this process."""
    import os

    import django

    os.environ |= environment | {"DATABASE_URL": database_url}
    os.environ["DJANGO_SETTINGS_MODULE"] = "videostudio.settings"
    django.setup()


def names() -> list[str]:
    return list(_cases())


def measure(name: str) -> float:
    """The median time of a case in milliseconds. Its changes are rolled back."""
    from django.core.cache import cache
    from django.db import transaction

    case = _cases()[name]
    times: list[float] = []
    while len(times) <= TIMES and sum(times) < 1_000 * LONG_SECONDS:
        with transaction.atomic():
            cache.clear()
            _pretend_that_a_worker_runs()
            started = time.perf_counter()
            case()
            times.append(1_000 * (time.perf_counter() - started))
            transaction.set_rollback(True)
    return statistics.median(times[1:] or times)  # the first fills caches


def _pretend_that_a_worker_runs() -> None:
    from django.utils import timezone

    from jobs.models import SubmissionGate, Tick

    Tick.objects.update(next_at=timezone.now() + timedelta(seconds=1))
    SubmissionGate.objects.update(looked_at=timezone.now())


def _cases() -> dict[str, Case]:
    return _api() | _pages() | _staff() | _passes()


def _get(client: Any, path: str) -> Case:
    def get() -> None:
        answer = client.get(path)
        if answer.status_code == 302:  # a search that finds one job opens it
            answer = client.get(answer["Location"])
        assert answer.status_code == 200, f"{path}: {answer.status_code}"

    return get


def _api() -> dict[str, Case]:
    from rest_framework_simplejwt.tokens import AccessToken

    from accounts.models import User
    from jobs.models import Status, VideoJob
    from tests.api import Client

    user = User.objects.get(username=HEAVY)
    client = Client()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
    mine = VideoJob.objects.filter(user=user).order_by("-created_at")
    ended = mine.filter(status=Status.SUCCEEDED)[0].pk
    waiting = mine.filter(status=Status.PENDING)[0].pk
    offset = min(10_000, VideoJob.objects.filter(user=user).count() // 2)
    after = client.get(f"{JOBS}?limit=1&offset={offset}").json()["nextCursor"]

    def create() -> None:
        assert client.create().status_code == 202

    def cancel() -> None:
        assert client.post(f"{JOBS}/{waiting}/cancel").status_code == 200

    paths = {
        "poll, ended": f"{JOBS}/{ended}",
        "poll, waiting": f"{JOBS}/{waiting}",
        "list": JOBS,
        "list, deep page by cursor": f"{JOBS}?after={after}",
        "list, FAILED": f"{JOBS}?status_filter=FAILED",
        "list, RUNNING": f"{JOBS}?status_filter=RUNNING",
        "tokens": TOKENS,
        "token entries": f"{TOKENS}/entries",
        "token usage": f"{TOKENS}/usage",
        "me": "/api/v1/auth/me",
        "models": "/api/v1/video-models",
    }
    cases: dict[str, Case] = {name: _get(client, path) for name, path in paths.items()}
    return {"create": create, "cancel": cancel} | cases


def _pages() -> dict[str, Case]:
    from django.conf import settings
    from django.test import Client

    visitor = Client()
    scraper = Client(headers={"authorization": f"Bearer {settings.METRICS_TOKEN}"})
    return {
        "monitor": _get(visitor, "/video-monitor"),
        "/readyz": _get(visitor, "/readyz"),
        "/metrics": _get(scraper, "/metrics"),
    }


def _staff() -> dict[str, Case]:
    from django.test import Client

    from accounts.models import User
    from jobs.models import Status, VideoJob

    boss = Client()
    boss.force_login(User.objects.get(username="boss"))
    job = VideoJob.objects.filter(status=Status.FAILED).order_by("-created_at")[0]
    user = User.objects.get(username="customer2")
    paths = {
        "overview": "/admin/overview/",
        "jobs": LIST,
        "jobs, second page": f"{LIST}?p=2",
        "jobs, FAILED": f"{LIST}?status__exact=FAILED",
        "jobs, CANCELLED": f"{LIST}?status__exact=CANCELLED",
        "jobs, RUNNING": f"{LIST}?status__exact=RUNNING",
        "jobs, an unused model": f"{LIST}?model=veo-3.1-lite-generate-preview",
        "jobs, free": f"{LIST}?tokens=free",
        "jobs, refunded": f"{LIST}?tokens=refunded",
        "jobs, mock": f"{LIST}?mock_mode__exact=1",
        "jobs, an error code": f"{LIST}?error_code=storage.failed",
        "jobs, past hour": f"{LIST}?ordered=hour",
        "jobs, stuck": f"{LIST}?late=stuck",
        "search: mail address": f"{LIST}?q={user.email}",
        "search: words that none has": f"{LIST}?q=zeppelin+Oslo",
        "search: words that all have": f"{LIST}?q=lighthouse+dusk",
        "search: user and word": f"{LIST}?q={user.email}+lighthouse",
        "search: part of many names": f"{LIST}?q={user.username}+lighthouse",
        "search: part of all addresses": f"{LIST}?q=example.com",
        "search: beginning of an id": f"{LIST}?q={str(job.pk)[:8]}",
        "job": f"{LIST}{job.pk}/change/",
        "users": "/admin/accounts/user/",
        "users, search": f"/admin/accounts/user/?q={user.email}",
        "user": f"/admin/accounts/user/{user.pk}/change/",
        "accounts": "/admin/tokens_ledger/account/",
        "entries": "/admin/tokens_ledger/entry/",
        "events": "/admin/jobs/jobevent/",
    }
    return {f"staff: {name}": _get(boss, path) for name, path in paths.items()}


def _passes() -> dict[str, Case]:
    from django.core.management import call_command
    from django.utils import timezone

    from jobs import retention
    from jobs.models import Stage
    from jobs.stats import job_totals
    from jobs.worker import cleanup, leases, scheduler
    from tokens_ledger import reconciliation

    def now() -> Any:
        return timezone.now()

    def housekeeping() -> None:
        cleanup.purge_expired(now=now())
        job_totals.repair()

    return {
        "pass: claim waiting jobs": lambda: leases.claim_pending(limit=8, now=now()),
        "pass: claim polls": lambda: leases.claim_due(stage=Stage.GENERATING, limit=8, now=now()),
        "pass: claim storing": lambda: leases.claim_due(stage=Stage.STORING, limit=8, now=now()),
        "pass: look for a stalled line": lambda: leases.submission_stalled(
            since=now() - timedelta(seconds=60), now=now()
        ),
        "pass: revive the tick": lambda: scheduler.restart_ticks(now=now()),
        "pass: remove 500 old videos": lambda: retention.remove_videos(before=now(), now=now()),
        "pass: remove videos, none is old": lambda: retention.remove_videos(
            before=now() - LONG_AGO, now=now()
        ),
        "pass: delete 500 old jobs": lambda: retention.delete_jobs(before=now(), now=now()),
        "pass: delete jobs, none is old": lambda: retention.delete_jobs(
            before=now() - LONG_AGO, now=now()
        ),
        "pass: housekeeping": housekeeping,
        "pass: ledger check": lambda: reconciliation.run(now=now()),
        "command: check_ledger": lambda: call_command("check_ledger", stdout=StringIO()),
        "command: grant_tokens": lambda: call_command(
            "grant_tokens", "customer2", "50", "--note", "Thanks", stdout=StringIO()
        ),
    }
