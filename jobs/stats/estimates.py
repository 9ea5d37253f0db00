"""How far a job is and how long it will take: guesses from the clock and from the jobs before it.

Neither Veo nor Cloudinary reports progress, so a percentage is elapsed time over expected time,
and the API's documentation says so.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from jobs.models import ACTIVE, Stage, Status, VideoJob
from jobs.stats import queries

SUBMITTED, ALMOST, STORING = 5, 90, 95  # percent
USUAL_SECONDS = 90  # where no job before it tells
TYPICAL_RUN_CACHE_SECONDS = 5
SLOW_SAMPLE, SLOW_LEAST = 200, 20  # jobs; of fewer the slowest twentieth means nothing
LATE = timedelta(seconds=15)  # for the next step of a job that runs
STEP = 5  # seconds; a finer estimate would only make every poll look like news


def expected_seconds(*, mock_mode: bool) -> int | None:
    """The median run time, in seconds, of the last jobs of this kind; None where nothing tells.

    What each process found out holds for some seconds: every order asks.
    """
    typical = caches["local"].get_or_set(
        f"typical-run:{mock_mode}", lambda: _typical_seconds(mock_mode), TYPICAL_RUN_CACHE_SECONDS
    )
    return None if typical is None else math.ceil(typical)


def slow_seconds(*, mock_mode: bool) -> int | None:
    """What 19 of 20 jobs of this kind stay under, from start to end (p95); None of too few."""
    seconds = [run.seconds for run in queries.runs(mock_mode=mock_mode, limit=SLOW_SAMPLE)]
    return math.ceil(queries.percentile(seconds, 95)) if len(seconds) >= SLOW_LEAST else None


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


def _typical_seconds(mock_mode: bool) -> float | None:
    runs = queries.runs(mock_mode=mock_mode, limit=queries.TYPICAL_SAMPLE)
    if runs:
        return queries.typical_seconds(runs)
    return settings.MOCK_SECONDS + 1 if mock_mode else None


def queue_positions(jobs: Sequence[VideoJob]) -> dict:
    """For each PENDING job among `jobs`, by id: how many jobs of its kind start before it."""
    waiting = [job.id for job in jobs if job.status == Status.PENDING]
    if not waiting:
        return {}
    return VideoJob.objects.places(waiting)
