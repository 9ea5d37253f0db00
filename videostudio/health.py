"""Liveness of the process (`/healthz`) and readiness of the service (`/readyz`)."""

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from shutil import disk_usage
from tempfile import TemporaryFile, gettempdir
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.log import log_response
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from jobs.models import Status, VideoJob
from jobs.stats import periodic, processes, queries
from jobs.worker import leases
from videostudio.core import shutdown

logger = logging.getLogger(__name__)

LATE = timedelta(seconds=60)  # a job whose next step is this late is not processed
MIN_FREE_BYTES = 20_000_000  # two of the largest images
UNKNOWN = "cannot be checked"


class NotReady(Exception):
    """A check failed. The text is public."""


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return _stopping() if shutdown.requested else JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every check passes, else 503; `checks` says which failed.

    A silent process and a late periodic task are shown and change nothing, because the others go
    on. When no cluster is left, the ticks stop, and the check `workers` fails.
    """
    if shutdown.requested:
        return _stopping()
    checks = dict.fromkeys(CHECKS, UNKNOWN)
    for name, check in CHECKS.items():
        checks[name] = _outcome(check)
        if checks["database"] != "ok":  # the other checks need it
            break
    body: dict[str, Any] = {"status": "ok", "checks": checks}
    with suppress(DatabaseError):
        if checks["database"] == "ok":
            body["oldestWaitingSeconds"] = _oldest_waiting()
            body["processes"] = _processes()
            body["periodicTasks"] = _periodic_tasks()
    failed = [name for name, outcome in checks.items() if outcome != "ok"]
    if not failed:
        return JsonResponse(body)
    response = JsonResponse(body | {"status": "unavailable"}, status=503)
    _log(response, ", ".join(failed), "warning")
    return response


def _stopping() -> JsonResponse:
    """No load balancer sends more requests to this process, which is asked to end."""
    response = JsonResponse({"status": "stopping"}, status=503)
    _log(response, "this process is asked to end", "info")
    return response


def _log(response: JsonResponse, why: str, level: str) -> None:
    """Replaces Django's own line, which would be an ERROR at every probe."""
    log_response("not ready: %s", why, response=response, logger=logger, level=level)


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as reason:
        return str(reason)
    except Exception:  # not ready, whatever the cause
        return UNKNOWN
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady("migrations are missing")


def _workers() -> None:
    if not queries.clocks().workers_alive(now=timezone.now()):
        raise NotReady("no worker cluster is alive")


def _running() -> None:
    if VideoJob.objects.filter(status=Status.RUNNING).due(now=timezone.now() - LATE).exists():
        raise NotReady("a running job's next step is late")


def _waiting() -> None:
    now = timezone.now()
    if leases.submission_stalled(since=now - LATE, now=now):
        raise NotReady("a waiting job that could start does not")


def _temporary_folder() -> None:
    """Of this web process: uploads above 2.5 MB are written to it."""
    try:
        with TemporaryFile() as file:
            file.write(b"-")
        free = disk_usage(gettempdir()).free
    except OSError:
        free = 0
    if free < MIN_FREE_BYTES:
        raise NotReady("the temporary folder is full or cannot be written")


def _oldest_waiting() -> int:
    """The seconds that the oldest PENDING job has waited; 0 if there is none."""
    return int(queries.active_jobs().oldest_wait(now=timezone.now()))


def _processes() -> dict[str, Any]:
    """By kind: how many are alive, and which are silent."""
    found = processes.current(now=timezone.now())
    alive: Counter[str] = Counter()
    for (kind, _), number in found.alive().items():
        alive[kind] += number
    return {
        kind: {"alive": alive[kind], "silent": [str(row) for row in found.silent(kind)]}
        for kind in processes.Kind.values
    }


def _periodic_tasks() -> dict[str, Any]:
    """By name: the outcome of the last run, and the seconds since the last success, or null."""
    now = timezone.now()
    return {
        run.name: {
            "outcome": run.outcome,
            "secondsSinceSuccess": run.finished_at and int((now - run.finished_at).total_seconds()),
        }
        for run in periodic.last_runs()
    }


CHECKS = {
    "database": _database,
    "migrations": _migrations,
    "workers": _workers,
    "running": _running,
    "waiting": _waiting,
    "temporaryFolder": _temporary_folder,
}
