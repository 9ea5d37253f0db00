"""Which active jobs are late: running ones that are stuck, and those that wait for too long."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.core.cache import caches
from django.db.models import Q

from jobs.models import HELD, Status, VideoJob
from jobs.querysets import VideoJobQuerySet
from jobs.stats import queries

SAMPLE, MIN_SAMPLE = 200, 20  # jobs; with fewer, the 95th percentile means nothing
LATE = timedelta(seconds=15)  # of a running job's next step, or of a start without workers
LONG_WAIT = timedelta(minutes=5)  # while workers are running
CACHE_SECONDS = 5
MAX_COUNT = 5_000

STUCK, WAITS_LONG, HELD_BY_RESTORE = "stuck", "waiting too long", "held"


@dataclass(frozen=True)
class Limits:
    """`runs` are the seconds that 95% of earlier jobs took at most, by `mock_mode`; a kind with too
    few earlier jobs is missing."""

    runs: dict[bool, int]
    wait: timedelta

    def label(self, *, job: VideoJob, now: datetime) -> str:
        """STUCK, WAITS_LONG, HELD_BY_RESTORE, or "" if `job` is not late."""
        if job.next_step_at == HELD:
            return HELD_BY_RESTORE
        if job.status == Status.PENDING:
            return WAITS_LONG if job.created_at < now - self.wait else ""
        if job.status != Status.RUNNING or not job.next_step_at:
            return ""
        ran = (now - (job.started_at or job.created_at)).total_seconds()
        slow = ran > self.runs.get(job.mock_mode, math.inf)
        return STUCK if slow or job.next_step_at < now - LATE else ""

    def stuck(self, jobs: VideoJobQuerySet, *, now: datetime) -> VideoJobQuerySet:
        """Those of `jobs` that run for longer than 95% of earlier ones, or whose step is late."""
        late = Q(next_step_at__lt=now - LATE)
        for mock_mode, seconds in self.runs.items():
            late |= Q(mock_mode=mock_mode, started_at__lt=now - timedelta(seconds=seconds))
        return jobs.running().filter(late)

    def waiting(self, jobs: VideoJobQuerySet, *, now: datetime) -> VideoJobQuerySet:
        """Those of `jobs` that wait for too long."""
        return jobs.waiting().filter(created_at__lt=now - self.wait)


def limits(*, now: datetime) -> Limits:
    """The limits at this time; each process caches them, because lists ask for each row."""
    found: Any = caches["local"].get_or_set("late", lambda: _limits(now), CACHE_SECONDS)
    return cast(Limits, found)


def counts(*, now: datetime) -> dict[str, int]:
    """How many jobs are STUCK and how many WAITS_LONG, each at most MAX_COUNT."""
    current, jobs = limits(now=now), VideoJob.objects.order_by()
    return {
        "stuck": current.stuck(jobs, now=now)[:MAX_COUNT].count(),
        "long_wait": current.waiting(jobs, now=now)[:MAX_COUNT].count(),
    }


def _limits(now: datetime) -> Limits:
    runs = {mock_mode: _slow_seconds(mock_mode) for mock_mode in (True, False)}
    alive = queries.clocks().workers_alive(now=now)
    return Limits(
        runs={kind: seconds for kind, seconds in runs.items() if seconds is not None},
        wait=LONG_WAIT if alive else LATE,
    )


def _slow_seconds(mock_mode: bool) -> int | None:
    seconds = [run.seconds for run in queries.runs(mock_mode=mock_mode, limit=SAMPLE)]
    enough = len(seconds) >= MIN_SAMPLE
    return math.ceil(queries.percentile(seconds, 95)) if enough else None
