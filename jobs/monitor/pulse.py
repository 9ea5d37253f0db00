"""How the service is, in figures that anyone may see: of the last 24 hours, from few queries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Count, F, Min, Q, Subquery

from jobs.models import ACTIVE, JobEvent, Stage, Status, SubmissionGate, Tick, VideoJob
from jobs.monitor.public_jobs import shown

LATELY = timedelta(minutes=15)
JUST_NOW = timedelta(minutes=2)
RECENT = 20  # jobs
NOT_OURS = ("safety.prompt", "safety.output", "input.unsupported")  # what was asked for failed
PUT_OFF = Q(failure_count__gt=0) & (Q(status=Status.PENDING) | Q(stage=Stage.SUBMITTING))
UNSTORED = Q(stage=Stage.STORING, failure_count__gt=0)
UNANSWERED = Q(stage=Stage.GENERATING, failure_count__gt=1)


@dataclass(frozen=True)
class Pulse:
    """`counts` by status; the times are since when, or None where it is not so."""

    counts: Mapping[str, int]
    oldest_waiting: datetime | None
    waiting_for_veo: int
    put_off: int  # jobs that Google took nothing of
    throttled: bool  # Google said that there were too many, not that it was away
    unstored: int  # finished videos whose storing failed, and is tried again
    unanswered: int  # jobs that Google took, and does not tell of
    trouble_since: datetime | None  # with any of these
    failed_lately: int  # for no reason in what was asked for
    failing_since: datetime | None
    succeeded_lately: int
    last_tick: datetime

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def success_rate(self) -> int | None:
        """Percent of those that ended by themselves."""
        succeeded, failed = self.counts[Status.SUCCEEDED], self.counts[Status.FAILED]
        return round(100 * succeeded / (succeeded + failed)) if succeeded + failed else None


@dataclass(frozen=True)
class Usual:
    """What the last jobs tell: their median time in seconds, and the hosts of their videos."""

    seconds: float | None
    is_mock: bool
    hosts: tuple[str, ...]


def take(*, now: datetime) -> Pulse:
    rows = list(_rows(now))
    opens_at, next_tick = _clocks()
    in_trouble = _sum(rows, "put_off") + _sum(rows, "unstored") + _sum(rows, "unanswered")
    counts = dict.fromkeys(Status.values, 0)
    for row in rows:
        counts[row["status"]] += row["n"]
    ours = [row for row in rows if row["error_code"] not in NOT_OURS]
    failed = [row for row in ours if row["status"] == Status.FAILED]
    return Pulse(
        counts=counts,
        oldest_waiting=_first(rows, "waiting_since"),
        waiting_for_veo=_sum(rows, "for_veo"),
        put_off=_sum(rows, "put_off"),
        throttled=opens_at > now - JUST_NOW,
        unstored=_sum(rows, "unstored"),
        unanswered=_sum(rows, "unanswered"),
        trouble_since=_trouble_since() if in_trouble else None,
        failed_lately=_sum(failed, "lately"),
        failing_since=_first(failed, "lately_since"),
        succeeded_lately=sum(r["lately"] for r in rows if r["status"] == Status.SUCCEEDED),
        last_tick=next_tick,
    )


def _rows(now: datetime) -> Iterable[Any]:
    """One pass over the jobs that are shown, by status and what they failed of."""
    lately = Q(completed_at__gte=now - LATELY)
    waiting = Q(status=Status.PENDING)
    return (
        VideoJob.objects.filter(shown(now=now))
        .order_by()
        .values("status", "error_code")
        .annotate(
            n=Count("pk"),
            waiting_since=Min("created_at", filter=waiting),
            for_veo=Count("pk", filter=waiting & Q(mock_mode=False)),
            put_off=Count("pk", filter=PUT_OFF),
            unstored=Count("pk", filter=UNSTORED),
            unanswered=Count("pk", filter=UNANSWERED),
            lately=Count("pk", filter=lately),
            lately_since=Min("completed_at", filter=lately),
        )
    )


def _clocks() -> tuple[datetime, datetime]:
    """Until when Google wants nothing, and when the workers' clock strikes next."""
    gate = SubmissionGate.objects.values("opens_at")[:1]
    return Tick.objects.annotate(opens_at=Subquery(gate)).values_list("opens_at", "next_at")[0]


def _trouble_since() -> datetime | None:
    """When the first of the failures was written down that jobs are at now."""
    of_this_step = (
        Q(job__stage__in=("", Stage.SUBMITTING), level=JobEvent.Level.WARNING)
        | Q(job__stage=Stage.GENERATING, internal=True, created_at__gte=F("job__submitted_at"))
        | Q(job__stage=Stage.STORING, internal=True, created_at__gte=F("job__generated_at"))
    )
    events = JobEvent.objects.filter(of_this_step, job__status__in=ACTIVE, job__failure_count__gt=0)
    return events.aggregate(since=Min("created_at"))["since"]


def usual() -> Usual:
    """Of Veo's last videos; of the mock's where there are none."""
    for is_mock in (False, True):
        rows = VideoJob.objects.filter(status=Status.SUCCEEDED, mock_mode=is_mock).order_by(
            "-completed_at"
        )
        found = rows.values_list("started_at", "completed_at", "video_url")[:RECENT]
        if found:
            seconds = [(end - start).total_seconds() for start, end, _ in found if start and end]
            hosts = tuple(sorted({host for *_, url in found if (host := origin(url))}))
            return Usual(median(seconds) if seconds else None, is_mock, hosts)
    return Usual(None, False, ())


def origin(url: str) -> str:
    """Scheme and host of a URL that another host serves; "" for ours."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""


def _sum(rows: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(row[name] for row in rows)


def _first(rows: Iterable[Mapping[str, Any]], name: str) -> datetime | None:
    return min((row[name] for row in rows if row[name]), default=None)
