"""Whether the process is up (`/healthz`) and whether the service can do its work (`/readyz`)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from jobs import queue
from jobs.models import Status, VideoJob

LATE = timedelta(seconds=60)  # for the next step of a running job


class NotReady(Exception):
    """A check failed; the text says what, in words that anyone may read."""


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every check passes, else 503; `checks` says which failed."""
    checks = {name: _outcome(check) for name, check in CHECKS.items()}
    ready = set(checks.values()) == {"ok"}
    body: dict[str, Any] = {"status": "ok" if ready else "unavailable", "checks": checks}
    if checks["database"] == checks["migrations"] == "ok":
        body["oldestWaitingSeconds"] = _oldest_waiting()
    return JsonResponse(body, status=200 if ready else 503)


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as reason:
        return str(reason)
    except Exception:  # whatever it is, the answer is no; the database's own check names the cause
        return "cannot be checked"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady("migrations are missing")


def _workers() -> None:
    if not queue.is_alive(now=timezone.now()):
        raise NotReady("no worker cluster is alive")


def _running() -> None:
    if VideoJob.objects.filter(status=Status.RUNNING).due(now=timezone.now() - LATE).exists():
        raise NotReady("a running job's next step is late")


def _oldest_waiting() -> int:
    """How many seconds the oldest PENDING job has waited; 0 where none waits."""
    oldest = VideoJob.objects.filter(status=Status.PENDING).order_by("created_at").first()
    return int((timezone.now() - oldest.created_at).total_seconds()) if oldest else 0


CHECKS = {
    "database": _database,
    "migrations": _migrations,
    "workers": _workers,
    "running": _running,
}
