"""The figures that the monitor, the dashboard, /metrics, /readyz and the estimates share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Min, Q, Subquery
from django_q.models import OrmQ

from jobs.models import HELD, Stage, Status, SubmissionGate, Tick, VideoJob, VideoRemoval
from jobs.querysets import IN_FLIGHT

PERIOD = timedelta(seconds=1)  # between two ticks
MAX_TICK_AGE = timedelta(seconds=15)  # if the last tick is older, no cluster is running
EVER = timedelta(days=3650)  # before the first tick, the row has a date in the last century
TYPICAL_SAMPLE = 20  # jobs whose median is the typical run time
CLIENT_ERRORS = ("safety.prompt", "safety.output", "input.unsupported")  # not the service's fault
WAITING = Q(status=Status.PENDING, next_step_at__lt=HELD)
OLDEST_PENDING = Min("created_at", filter=WAITING)
UNSTORED = Q(stage=Stage.STORING, failure_count__gt=0)


@dataclass(frozen=True)
class Clocks:
    last_tick: datetime
    paused_until: datetime  # nothing is submitted to Google before that

    def tick_age(self, *, now: datetime) -> timedelta:
        """How long ago the last tick ran; up to PERIOD while a cluster is running."""
        return max(timedelta(0), now - self.last_tick)

    def workers_alive(self, *, now: datetime) -> bool:
        """Whether some cluster keeps the ticks running."""
        return self.tick_age(now=now) < MAX_TICK_AGE

    def has_ticked(self, *, now: datetime) -> bool:
        """Whether a cluster has ever run."""
        return self.tick_age(now=now) < EVER


@dataclass(frozen=True)
class ActiveJobs:
    counts: Mapping[tuple[str, str], int]  # by status and stage
    in_flight: int  # jobs that take a slot at Google Veo
    oldest_pending: datetime | None
    unstored: int  # finished videos that could not be stored yet
    oldest_unstored: datetime | None  # when the oldest of them was generated
    held: int  # PENDING jobs, not counted in `counts`, about which staff must decide

    @property
    def pending(self) -> int:
        return self.counts.get((Status.PENDING, ""), 0)

    @property
    def running(self) -> int:
        return sum(self.counts.values()) - self.pending

    def oldest_wait(self, *, now: datetime) -> float:
        """How many seconds the oldest PENDING job has waited; 0 if there is none."""
        return (now - (self.oldest_pending or now)).total_seconds()

    def oldest_unstored_age(self, *, now: datetime) -> float:
        """Seconds since the oldest video that could not be stored was generated; 0 without any."""
        return (now - (self.oldest_unstored or now)).total_seconds()


class Run(NamedTuple):
    """A job that succeeded, from its start to its end."""

    seconds: float
    ended_at: datetime
    video_url: str


def clocks() -> Clocks:
    paused_until = SubmissionGate.objects.values("opens_at")[:1]
    rows = Tick.objects.values_list("next_at", Subquery(paused_until))
    next_tick, paused = rows.get()
    return Clocks(last_tick=next_tick - PERIOD, paused_until=paused)


def active_jobs() -> ActiveJobs:
    """Counts waiting jobs apart from running ones: thousands may wait, and an index counts them."""
    running = list(
        VideoJob.objects.running()
        .values_list("stage")
        .annotate(
            n=Count("pk"),
            in_flight=Count("pk", filter=IN_FLIGHT),
            unstored=Count("pk", filter=UNSTORED),
            generated=Min("generated_at", filter=UNSTORED),
        )
    )
    counts: dict[tuple[str, str], int] = {(Status.RUNNING, stage): n for stage, n, *_ in running}
    # By these two columns alone: `status` is not in the index.
    pending = VideoJob.objects.filter(stage="", next_step_at__isnull=False).aggregate(
        waiting=Count("stage", filter=Q(next_step_at__lt=HELD)),
        held=Count("stage", filter=Q(next_step_at=HELD)),
    )
    if pending["waiting"]:
        counts[Status.PENDING, ""] = pending["waiting"]
    return ActiveJobs(
        counts=counts,
        in_flight=sum(in_flight for _, _, in_flight, *_ in running),
        oldest_pending=VideoJob.objects.waiting().aggregate(oldest=Min("created_at"))["oldest"],
        unstored=sum(unstored for *_, unstored, _ in running),
        oldest_unstored=min((generated for *_, generated in running if generated), default=None),
        held=pending["held"],
    )


@dataclass(frozen=True)
class Removals:
    """Removed videos that the storage still has."""

    waiting: int
    failed: int  # those whose last try failed
    oldest: datetime | None  # when the oldest was removed

    def oldest_age(self, *, now: datetime) -> float:
        return (now - (self.oldest or now)).total_seconds()


def removals() -> Removals:
    failed = Count("pk", filter=~Q(last_error=""))
    return Removals(
        **VideoRemoval.objects.aggregate(
            waiting=Count("pk"), failed=failed, oldest=Min("created_at")
        )
    )


def next_by_age() -> dict[str, datetime]:
    """When the oldest video and the oldest ended job will be removed by age."""
    oldest = {
        "video": (VideoJob.objects.with_video(), settings.VIDEO_KEEP_DAYS),
        "job": (VideoJob.objects.ended(), settings.JOB_KEEP_DAYS),
    }
    found = {}
    for name, (jobs, days) in oldest.items():
        ended_at = jobs.values_list("completed_at", flat=True).first() if days else None
        if ended_at and days:
            found[name] = ended_at + timedelta(days=days)
    return found


def runs(*, mock_mode: bool, limit: int, since: datetime | None = None) -> list[Run]:
    """The last `limit` jobs of this kind that succeeded, newest first."""
    jobs = VideoJob.objects.filter(status=Status.SUCCEEDED, mock_mode=mock_mode)
    if since:
        jobs = jobs.filter(completed_at__gte=since)
    rows = jobs.order_by("-completed_at").values_list("started_at", "completed_at", "video_url")
    return [
        Run((end - start).total_seconds(), end, url)
        for start, end, url in rows[:limit]
        if start and end
    ]


def typical_seconds(runs: Sequence[Run]) -> float:
    """The median of `runs`, of which there is at least one."""
    return median(run.seconds for run in runs)


def percentile(seconds: Sequence[float], percent: int) -> float:
    return sorted(seconds)[len(seconds) * percent // 100]


def success_rate(*, succeeded: int, failed: int, digits: int | None = None) -> float | None:
    """The percentage of succeeded jobs among those that succeeded or failed; None without any."""
    ended = succeeded + failed
    return round(100 * succeeded / ended, digits) if ended else None


def queued_tasks() -> int:
    return OrmQ.objects.count()
