"""The figures of the admin's front page as plain values, from about a dozen queries.

They are cached for half a minute for all staff, because the page is left open.
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Count, Sum
from django.db.models.functions import TruncDay, TruncHour

from jobs import model_availability
from jobs.models import ACTIVE, Heartbeat, JobEvent, Status, UnavailableModel, VideoJob
from jobs.stats import lateness, periodic, processes, queries
from jobs.statuses import FINAL
from tokens_ledger.models import Entry, LedgerCheck

CACHE_SECONDS = 30
REASONS = 5
HOURS, DAYS = 24, 14
SAMPLE = 5_000  # the newest jobs of a kind, for the durations
CHECK_IS_OLD = timedelta(hours=3)
KINDS = {False: "Veo", True: "Mock"}

Figures = dict[str, Any]


def for_user(*, user: Any, now: datetime) -> Figures:
    """The parts that `user` may see."""
    parts = {"jobs": ("jobs.view_videojob", jobs), "tokens": ("tokens_ledger.view_entry", tokens)}
    return {
        name: _cached(name, compute, now)
        for name, (permission, compute) in parts.items()
        if user.has_perm(permission)
    }


def jobs(now: datetime) -> Figures:
    """The jobs of the last day by the hour of their order, their failures, and the queue."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    rows = (
        VideoJob.objects.filter(created_at__gte=since)
        .order_by()
        .values_list(TruncHour("created_at"), "status", "error_code")
        .annotate(n=Count("pk"))
    )
    by_hour: dict[datetime, Counter[str]] = defaultdict(Counter)
    codes: Counter[str] = Counter()
    for hour, status, code, n in rows:
        by_hour[hour]["active" if status in ACTIVE else status] += n
        if status == Status.FAILED:
            codes[code] += n
            by_hour[hour]["client errors"] += n if code in queries.CLIENT_ERRORS else 0
    hours = [since + timedelta(hours=each) for each in range(HOURS)]
    total = sum(by_hour.values(), Counter())
    return {
        "hours": [_period(hour, by_hour[hour]) for hour in hours],
        "total": _period(since, total, hours=HOURS),
        "codes": codes.most_common(),
        "durations": _durations(since, hours),
        "queue": _queue(now),
        "removals": queries.removals(),
        "next_by_age": queries.next_by_age(),
        "clusters": _clusters(now),
        "missing_models": _missing_models(),
        "processes": _processes(now),
        "periodic": periodic.last_runs(),
        "as_of": now,
    }


def tokens(now: datetime) -> Figures:
    """Tokens of the last two weeks by day and kind, and the result of the last ledger check.

    Charges are shown as positive numbers.
    """
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    rows = (
        Entry.objects.filter(created_at__gte=since)
        .order_by()
        .values_list(TruncDay("created_at"), "kind")
        .annotate(sum=Sum("amount"))
    )
    sums = {(day, kind): abs(n) if kind == Entry.Kind.CHARGE else n for day, kind, n in rows}
    days = [since + timedelta(days=each) for each in range(DAYS)]
    table = [
        {
            "at": day,
            "query": _between("written", day, timedelta(days=1)),
            "cells": [{"kind": kind.value, "sum": sums.get((day, kind), 0)} for kind in Entry.Kind],
        }
        for day in days
    ]
    return {"days": table, "kinds": Entry.Kind.labels, "ledger": _ledger(now), "as_of": now}


# ---- The parts ----


def _cached(name: str, compute: Any, now: datetime) -> Any:
    return cache.get_or_set(f"overview:{name}", lambda: compute(now), CACHE_SECONDS)


def _period(start: datetime, counts: Counter[str], hours: int = 1) -> Figures:
    succeeded, failed = counts[Status.SUCCEEDED], counts[Status.FAILED] - counts["client errors"]
    cells = [{"count": counts[status], "query": f"status__exact={status}"} for status in FINAL]
    cells += [{"count": counts["active"], "query": f"status__in={','.join(ACTIVE)}"}]
    return {
        "at": start,
        "query": _between("ordered", start, timedelta(hours=hours)),
        "cells": cells,
        "rate": queries.success_rate(succeeded=succeeded, failed=failed, digits=1),
    }


def _between(word: str, start: datetime, length: timedelta) -> str:
    """The query of a list's filter by period (`videostudio.core.admin_filters`)."""
    moments = {f"{word}_from": start, f"{word}_to": start + length}
    return urlencode({name: f"{at:%Y-%m-%dT%H:%M}" for name, at in moments.items()})


def _durations(since: datetime, hours: list[datetime]) -> Figures:
    """p50 and p95 in seconds for each kind that ran: of the whole day, and by the hour of the
    end.
    """
    columns, whole = [], []
    for mock_mode, name in KINDS.items():
        runs = queries.runs(mock_mode=mock_mode, limit=SAMPLE, since=since)
        by_hour: dict[datetime, list[float]] = defaultdict(list)
        for run in runs:
            by_hour[run.ended_at.replace(minute=0, second=0, microsecond=0)].append(run.seconds)
        if runs:
            whole.append((name, *_percentiles([run.seconds for run in runs]), len(runs)))
            columns.append([_percentiles(by_hour[hour]) for hour in hours])
    rows = [
        (hour, [figure for column in columns for figure in column[number]])
        for number, hour in enumerate(hours)
    ]
    return {"names": [each[0] for each in whole], "whole": whole, "rows": rows, "sample": SAMPLE}


def _percentiles(seconds: list[float]) -> tuple[float | None, float | None]:
    if not seconds:
        return None, None
    return round(queries.percentile(seconds, 50), 1), round(queries.percentile(seconds, 95), 1)


def _queue(now: datetime) -> Figures:
    active = queries.active_jobs()
    return {
        "waiting": active.pending,
        "held": active.held,
        "running": active.running,
        "oldest_wait": active.oldest_wait(now=now),
        **lateness.counts(now=now),
        "wait_reasons": _wait_reasons() if active.pending else [],
        "unstored": active.unstored,
        "unstored_since": active.oldest_unstored,
        "unstored_reason": _unstored_reason() if active.unstored else "",
    }


def _wait_reasons() -> list[tuple[str, int]]:
    """What the owners of PENDING jobs read, and how many do."""
    pending = VideoJob.objects.waiting().order_by()
    rows = pending.values_list("status_message").annotate(n=Count("pk"))
    return list(rows.order_by("-n", "status_message")[:REASONS])


def _unstored_reason() -> str:
    """Why the newest of the videos that cannot be stored could not be stored."""
    unstored = VideoJob.objects.filter(queries.UNSTORED, status=Status.RUNNING)
    failures = JobEvent.objects.filter(job__in=unstored, internal=True).order_by("-id")
    return failures.values_list("detail", flat=True).first() or ""


def _clusters(now: datetime) -> Figures:
    clocks = queries.clocks()
    age = clocks.tick_age(now=now)
    return {
        "alive": clocks.workers_alive(now=now),
        "ever": clocks.has_ticked(now=now),
        "tick_age": age.total_seconds(),
        "tasks": queries.queued_tasks(),
        "closed_until": clocks.paused_until if clocks.paused_until > now else None,
    }


def _missing_models() -> list[tuple[list[str], UnavailableModel]]:
    """The models that Google no longer has, with the names by which clients order them."""
    names = model_availability.names_by_google_id()
    return [(names[row.google_id], row) for row in model_availability.unavailable()]


def _processes(now: datetime) -> list[tuple[Heartbeat, bool]]:
    """Each process, and whether it is silent."""
    found = processes.current(now=now)
    return [(row, found.is_silent(row)) for row in found.rows]


def _ledger(now: datetime) -> Figures | None:
    check = LedgerCheck.objects.order_by("-id").values().first()
    return check and check | {"is_old": now - check["ran_at"] > CHECK_IS_OLD}
