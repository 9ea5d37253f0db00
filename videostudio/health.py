"""Liveness of the process (`/healthz`) and readiness of the service (`/readyz`)."""

import logging
from collections import Counter
from contextlib import suppress
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.log import log_response
from django.views.decorators.http import require_safe

from jobs.readiness import CHECKS, UNKNOWN, outcome
from jobs.stats import periodic, processes, queries
from videostudio.core import shutdown

logger = logging.getLogger(__name__)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return _stopping() if shutdown.requested else JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every check passes, else 503; `checks` says which failed.

    A silent process and a late periodic task do not change the status, because the others continue.
    When no cluster is left, the ticks stop, and the check `workers` fails.
    """
    if shutdown.requested:
        return _stopping()
    checks = dict.fromkeys(CHECKS, UNKNOWN)
    for name, check in CHECKS.items():
        checks[name] = outcome(check)
        if checks["database"] != "ok":  # the other checks need it
            break
    body: dict[str, Any] = {"status": "ok", "checks": checks}
    with suppress(DatabaseError):
        if checks["database"] == "ok":
            oldest = queries.active_jobs().oldest_wait(now=timezone.now())
            body["oldestWaitingSeconds"] = int(oldest)
            body["processes"] = _processes()
            body["periodicTasks"] = _periodic_tasks()
    failed = [name for name, said in checks.items() if said != "ok"]
    if not failed:
        return JsonResponse(body)
    response = JsonResponse(body | {"status": "unavailable"}, status=503)
    _log(response, ", ".join(failed), "warning")
    return response


def _stopping() -> JsonResponse:
    """No load balancer sends more requests to this process, which is shutting down."""
    response = JsonResponse({"status": "stopping"}, status=503)
    _log(response, "this process is shutting down", "info")
    return response


def _log(response: JsonResponse, why: str, level: str) -> None:
    """Replaces Django's own line, which would be an ERROR at every probe."""
    log_response("not ready: %s", why, response=response, logger=logger, level=level)


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
