"""How far a job is and how long it will take: guesses from the clock and from the jobs before it.

Neither Veo nor Cloudinary reports progress, so a percentage is elapsed time over expected time,
and the API's documentation says so.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from jobs.models import ACTIVE, Stage, Status, VideoJob

SUBMITTED, ALMOST, STORING = 5, 90, 95  # percent
USUAL_SECONDS = 90  # where no job before it tells
SAMPLE = 20  # jobs
RUN_TIMES_KEPT = 5  # seconds
SLOW_SAMPLE, SLOW_LEAST = 200, 20  # jobs; of fewer the slowest twentieth means nothing
LATE = timedelta(seconds=15)  # for the next step of a job that runs
STEP = 5  # seconds; a finer estimate would only make every poll look like news


def expected_seconds(*, mock_mode: bool) -> int | None:
    """The median run time, in seconds, of the last jobs of this kind; None where nothing tells.

    What each process found out holds for some seconds: every order asks.
    """
    seconds = caches["local"].get_or_set(
        f"run-times:{mock_mode}", lambda: _run_times(mock_mode, SAMPLE), RUN_TIMES_KEPT
    )
    if not seconds:
        return settings.MOCK_SECONDS + 1 if mock_mode else None
    return math.ceil(median(seconds))


def slow_seconds(*, mock_mode: bool) -> int | None:
    """What 19 of 20 jobs of this kind stay under, from start to end (p95); None of too few."""
    seconds = sorted(_run_times(mock_mode, SLOW_SAMPLE))
    return math.ceil(seconds[len(seconds) * 95 // 100]) if len(seconds) >= SLOW_LEAST else None


def stuck(*, now: datetime) -> Q:
    """Of jobs with `since` (see `with_since`): those at work that take longer than nearly all
    before them did, and those whose next step nobody takes."""
    late = Q(status=Status.RUNNING, next_step_at__lt=now - LATE)
    for mock_mode in (True, False):
        if slow := slow_seconds(mock_mode=mock_mode):
            long_ago = now - timedelta(seconds=slow)
            late |= Q(status__in=ACTIVE, mock_mode=mock_mode, since__lt=long_ago)
    return late


def with_since(jobs: QuerySet[VideoJob]) -> Any:
    """`jobs` with the time `since` which each runs or, until it does, waits."""
    return jobs.annotate(since=Coalesce("started_at", "created_at"))


def progress(*, job: VideoJob, now: datetime) -> int:
    """Percent of a GENERATING job: about 60 at the expected time, then ever slower towards 90."""
    expected = job.expected_seconds or USUAL_SECONDS
    elapsed = max(0, (now - (job.submitted_at or now)).total_seconds())  # clocks differ
    done = 1 - math.exp(-elapsed / max(expected, 1))
    return SUBMITTED + round((ALMOST - SUBMITTED) * done)


def remaining_seconds(*, job: VideoJob, queue_position: int | None, now: datetime) -> int | None:
    """Seconds until an active job ends, in steps of five; None when unknown or ended.

    Of a job that takes longer than those before it did nothing is known.
    """
    if job.expected_seconds is None or job.status not in (Status.PENDING, Status.RUNNING):
        return None
    if job.status == Status.PENDING:
        rounds_before = (queue_position or 0) // settings.VEO_MAX_IN_FLIGHT
        left = job.expected_seconds * (1 + rounds_before)
    else:
        left = round(job.expected_seconds - (now - (job.started_at or now)).total_seconds())
        if left < 0 and job.stage != Stage.STORING:
            return None
    least = STEP if job.stage != Stage.STORING else 0
    return max(least, math.ceil(left / STEP) * STEP)


def _run_times(mock_mode: bool, most: int) -> list[float]:
    """Of the last `most` jobs of this kind, in seconds, the newest first."""
    recent = (
        VideoJob.objects.filter(status=Status.SUCCEEDED, mock_mode=mock_mode)
        .order_by("-completed_at")
        .values_list("started_at", "completed_at")[:most]
    )
    return [(end - start).total_seconds() for start, end in recent if start and end]


def queue_positions(jobs: Sequence[VideoJob]) -> dict:
    """For each PENDING job among `jobs`, by id: how many jobs of its kind start before it."""
    waiting = [job.id for job in jobs if job.status == Status.PENDING]
    if not waiting:
        return {}
    return VideoJob.objects.places(waiting)
