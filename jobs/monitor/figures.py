"""Public figures of the last 24 hours, from a few queries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Count, F, Min, Q

from jobs import model_availability
from jobs.models import ACTIVE, JobEvent, Stage, Status, VideoJob
from jobs.monitor.cache import get_or_compute
from jobs.monitor.public_jobs import counted
from jobs.stats import queries

RECENT = timedelta(minutes=15)
THROTTLED = timedelta(minutes=2)  # after a pause has ended
SUBMIT_RETRY = Q(failure_count__gt=0) & (Q(status=Status.PENDING) | Q(stage=Stage.SUBMITTING))
POLL_RETRY = Q(stage=Stage.GENERATING, failure_count__gt=1)
RETRIES = ("submit_retries", "poll_retries", "store_retries")


@dataclass(frozen=True)
class Figures:
    """`counts` by status; `private` counts those of them that are not shown. `*_retries` count jobs
    whose step failed and will be retried.
    """

    counts: Mapping[str, int]
    private: Mapping[str, int]
    oldest_pending: datetime | None
    pending_for_veo: int
    submit_retries: int
    poll_retries: int
    store_retries: int
    retrying_since: datetime | None
    throttled: bool  # Google answered "too many requests"
    failures: int  # the service's own, without errors in the request
    recent_failures: int  # those of the last RECENT
    failing_since: datetime | None
    recent_successes: int
    workers_alive: bool
    last_tick: datetime | None  # None if no worker has ever run
    missing_models: Sequence[tuple[str, datetime]]  # names, and since when Google has none

    def number(self, status: str) -> tuple[int, int]:
        """How many jobs have this status, or any if it is "", and how many of them are private."""
        wanted = [status] if status else Status.values
        return sum(self.counts[each] for each in wanted), sum(self.private[each] for each in wanted)

    def public(self, *statuses: str) -> int:
        """How many jobs of these statuses are shown."""
        return sum(self.counts[each] - self.private[each] for each in statuses)

    @property
    def success_rate(self) -> float | None:
        """Of the service: refusals by the safety filter, for example, are not its failures."""
        return queries.success_rate(succeeded=self.counts[Status.SUCCEEDED], failed=self.failures)


@dataclass(frozen=True)
class TypicalRun:
    """The median run time of recent jobs, and the other hosts that serve their videos."""

    seconds: float | None
    is_mock: bool
    hosts: tuple[str, ...]


def read(*, now: datetime) -> Figures:
    rows, clocks = list(_rows(now)), queries.clocks()
    retries = {name: sum(row[name] for row in rows) for name in RETRIES}
    counts, private = dict.fromkeys(Status.values, 0), dict.fromkeys(Status.values, 0)
    for row in rows:
        counts[row["status"]] += row["n"]
        private[row["status"]] += row["n_private"]
    failed = [
        row
        for row in rows
        if row["status"] == Status.FAILED and row["error_code"] not in queries.CLIENT_ERRORS
    ]
    return Figures(
        **retries,
        counts=counts,
        private=private,
        oldest_pending=_earliest(rows, "oldest_pending"),
        pending_for_veo=sum(row["for_veo"] for row in rows),
        retrying_since=_retrying_since() if any(retries.values()) else None,
        throttled=clocks.paused_until > now - THROTTLED,
        failures=sum(row["n"] for row in failed),
        recent_failures=sum(row["recent"] for row in failed),
        failing_since=_earliest(failed, "recent_since"),
        recent_successes=sum(r["recent"] for r in rows if r["status"] == Status.SUCCEEDED),
        workers_alive=clocks.workers_alive(now=now),
        last_tick=clocks.last_tick if clocks.has_ticked(now=now) else None,
        missing_models=_missing_models(),
    )


def current(*, now: datetime) -> Figures:
    """As `read`, cached for all viewers of this process."""
    return get_or_compute("figures", lambda: read(now=now))


def typical_run() -> TypicalRun:
    """From recent Veo jobs; from mock jobs if there are none."""
    for is_mock in (False, True):
        if runs := queries.runs(mock_mode=is_mock, limit=queries.TYPICAL_SAMPLE):
            hosts = {origin(run.video_url) for run in runs} - {""}
            return TypicalRun(queries.typical_seconds(runs), is_mock, tuple(sorted(hosts)))
    return TypicalRun(None, False, ())


def _missing_models() -> list[tuple[str, datetime]]:
    names = model_availability.names_by_google_id()
    return [
        (name, row.since)
        for row in model_availability.unavailable()
        for name in names[row.google_id]
    ]


def origin(url: str) -> str:
    """Scheme and host of a URL on another host; "" for our own."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""


def _rows(now: datetime) -> Iterable[Any]:
    """Counts by status and error code, of the jobs that the monitor shows or only counts."""
    recent = Q(completed_at__gte=now - RECENT)
    return (
        VideoJob.objects.filter(counted(now=now))
        .order_by()
        .values("status", "error_code")
        .annotate(
            n=Count("pk"),
            n_private=Count("pk", filter=Q(private=True)),
            oldest_pending=queries.OLDEST_PENDING,
            for_veo=Count("pk", filter=queries.WAITING & Q(mock_mode=False)),
            submit_retries=Count("pk", filter=SUBMIT_RETRY),
            poll_retries=Count("pk", filter=POLL_RETRY),
            store_retries=Count("pk", filter=queries.UNSTORED),
            recent=Count("pk", filter=recent),
            recent_since=Min("completed_at", filter=recent),
        )
    )


def _retrying_since() -> datetime | None:
    """When the oldest first failure was logged among the steps to be retried."""
    of_this_step = (
        Q(job__stage__in=("", Stage.SUBMITTING), level=JobEvent.Level.WARNING)
        | Q(job__stage=Stage.GENERATING, internal=True, created_at__gte=F("job__submitted_at"))
        | Q(job__stage=Stage.STORING, internal=True, created_at__gte=F("job__generated_at"))
    )
    events = JobEvent.objects.filter(of_this_step, job__status__in=ACTIVE, job__failure_count__gt=0)
    return events.aggregate(since=Min("created_at"))["since"]


def _earliest(rows: Iterable[Mapping[str, Any]], name: str) -> datetime | None:
    return min((row[name] for row in rows if row[name]), default=None)
