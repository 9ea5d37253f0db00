"""What the admin's front page tells at a look, in plain values: a dozen cheap queries, cached.

All staff share the answer of the last half minute, so that the page can be left open.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Min, Sum
from django.db.models.functions import TruncDay, TruncHour

from jobs.models import ACTIVE, Status, SubmissionGate, VideoJob
from jobs.stats import queries
from tokens_ledger.models import Entry, LedgerCheck

KEPT_SECONDS = 30
HOURS, DAYS = 24, 14
SAMPLE = 5_000  # of the newest jobs of a kind, for the durations
CHECK_IS_OLD = timedelta(hours=3)
EVER = timedelta(days=3650)  # the first tick's row is of the last century's end
KINDS = {False: "Veo", True: "Mock"}
ENDINGS = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)

Figures = dict[str, Any]


def for_user(*, user: Any, now: datetime) -> Figures:
    """The parts that `user` may see."""
    parts = {"jobs": ("jobs.view_videojob", jobs), "tokens": ("tokens_ledger.view_entry", tokens)}
    return {
        name: _kept(name, compute, now)
        for name, (permission, compute) in parts.items()
        if user.has_perm(permission)
    }


def jobs(now: datetime) -> Figures:
    """The last day's jobs by the hour in which they were ordered, their failures, the queue."""
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
    hours = [since + timedelta(hours=each) for each in range(HOURS)]
    total = sum(by_hour.values(), Counter())
    return {
        "hours": [_hour(hour, by_hour[hour]) for hour in hours],
        "total": _hour(since, total),
        "codes": codes.most_common(),
        "durations": _durations(since, hours),
        "queue": _queue(now),
        "clusters": _clusters(now),
        "as_of": now,
    }


def tokens(now: datetime) -> Figures:
    """Tokens of the last two weeks by day and kind, and what the last audit found.

    Charges are shown as what was paid, above 0.
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
    table = [(day, [sums.get((day, kind), 0) for kind in Entry.Kind]) for day in days]
    return {"days": table, "kinds": Entry.Kind.labels, "ledger": _ledger(now), "as_of": now}


# ---- The parts ----


def _kept(name: str, compute: Any, now: datetime) -> Figures:
    key = f"overview:{name}"
    if (kept := cache.get(key)) is None:
        kept = compute(now)
        cache.set(key, kept, KEPT_SECONDS)
    return kept


def _hour(hour: datetime, counts: Counter[str]) -> Figures:
    decided = counts[Status.SUCCEEDED] + counts[Status.FAILED]
    return {
        "at": hour,
        "succeeded": counts[Status.SUCCEEDED],
        "failed": counts[Status.FAILED],
        "cancelled": counts[Status.CANCELLED],
        "active": counts["active"],
        "rate": round(100 * counts[Status.SUCCEEDED] / decided, 1) if decided else None,
    }


def _durations(since: datetime, hours: list[datetime]) -> Figures:
    """p50 and p95 in seconds of each kind that ran: of the whole day, and by the ends' hours."""
    columns, whole = [], []
    for mock_mode, name in KINDS.items():
        ended = VideoJob.objects.filter(
            status=Status.SUCCEEDED, mock_mode=mock_mode, completed_at__gte=since
        ).order_by("-completed_at")
        times = ended.values_list("started_at", "completed_at")[:SAMPLE]
        by_hour: dict[datetime, list[float]] = defaultdict(list)
        for start, end in times:
            if start is None or end is None:  # for the type checker: both are set at the end
                continue
            hour = end.replace(minute=0, second=0, microsecond=0)
            by_hour[hour].append((end - start).total_seconds())
        if by_hour:
            everything = [seconds for each in by_hour.values() for seconds in each]
            whole.append((name, *_percentiles(everything), len(everything)))
            columns.append([_percentiles(by_hour.get(hour, [])) for hour in hours])
    rows = [
        (hour, [figure for column in columns for figure in column[number]])
        for number, hour in enumerate(hours)
    ]
    return {"names": [each[0] for each in whole], "whole": whole, "rows": rows, "sample": SAMPLE}


def _percentiles(seconds: Iterable[float]) -> tuple[float | None, float | None]:
    ordered = sorted(seconds)
    if not ordered:
        return None, None
    return round(ordered[len(ordered) // 2], 1), round(ordered[len(ordered) * 95 // 100], 1)


def _queue(now: datetime) -> Figures:
    rows = VideoJob.objects.active().order_by().values_list("status")
    found = {
        status: each for status, *each in rows.annotate(n=Count("pk"), since=Min("created_at"))
    }
    waiting, since = found.get(Status.PENDING, (0, now))
    return {
        "waiting": waiting,
        "running": found.get(Status.RUNNING, (0, now))[0],
        "oldest_wait": (now - since).total_seconds(),
    }


def _clusters(now: datetime) -> Figures:
    opens_at = SubmissionGate.objects.values_list("opens_at", flat=True).first()
    age = queries.tick_age(now=now)
    return {
        "alive": queries.workers_alive(now=now),
        "ever": age < EVER,
        "tick_age": max(0.0, age.total_seconds()),
        "tasks": queries.queued_tasks(),
        "closed_until": opens_at if opens_at and opens_at > now else None,
    }


def _ledger(now: datetime) -> Figures | None:
    check = LedgerCheck.objects.order_by("-id").values().first()
    return check and check | {"is_old": now - check["ran_at"] > CHECK_IS_OLD}
