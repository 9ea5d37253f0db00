"""Estimates of a job's progress and remaining time, from the clock and from recent jobs.

Neither Veo nor Cloudinary reports progress, so a percentage is derived from elapsed and expected
time. The API's documentation says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import caches

from jobs.models import Stage, Status, SubmissionGate, VideoJob
from jobs.stats import queries

SUBMITTED, ALMOST, STORING = 5, 90, 95  # percent
DEFAULT_SECONDS = 90  # if there are no earlier jobs
CACHE_SECONDS = 5
ROUNDING_SECONDS = 5  # finer estimates would change the ETag at every poll
LONG, LONG_ROUNDING_SECONDS = 600, 60
SLOTS_CACHE_SECONDS = 1


@dataclass(frozen=True)
class Slots:
    """The limits of the next starts at Google: when submissions may continue, and the starts of the
    last minute, refused ones too, and of the videos in flight, oldest first."""

    opens_at: datetime
    recent: list[Any]
    in_flight: list[Any]


def expected_seconds(*, mock_mode: bool) -> int | None:
    """The median run time, in seconds, of the last jobs of this kind; None if unknown.

    Each process caches the run times, because every new job needs them.
    """
    typical = caches["local"].get_or_set(
        f"typical-run:{mock_mode}", lambda: _typical_seconds(mock_mode), CACHE_SECONDS
    )
    return None if typical is None else math.ceil(typical)


def progress(*, job: VideoJob, now: datetime) -> int:
    """Percent of a GENERATING job: about 60 at the expected time, then slowly approaching 90."""
    expected = job.expected_seconds or DEFAULT_SECONDS
    elapsed = max(0, (now - (job.submitted_at or now)).total_seconds())  # clocks differ
    done = 1 - math.exp(-elapsed / max(expected, 1))
    return SUBMITTED + round((ALMOST - SUBMITTED) * done)


def remaining_seconds(*, job: VideoJob, queue_position: int | None, now: datetime) -> int | None:
    """Seconds until an active job ends; None when unknown, held or ended.

    In steps of five, from ten minutes in whole minutes. A waiting job's time to start follows from
    Google's limits alone, not from that of its user. Returns None once a job has run longer than
    the recent median.
    """
    if job.expected_seconds is None or job.status not in (Status.PENDING, Status.RUNNING):
        return None
    if job.status == Status.PENDING:
        if queue_position is None:  # it is held
            return None
        left = job.expected_seconds
        if not job.mock_mode:  # the mock has no limits
            left += round(
                seconds_to_start(position=queue_position, run_seconds=job.expected_seconds, now=now)
            )
    else:
        left = round(job.expected_seconds - (now - (job.started_at or now)).total_seconds())
        if left < 0 and job.stage != Stage.STORING:
            return None
    minimum = ROUNDING_SECONDS if job.stage != Stage.STORING else 0
    step = ROUNDING_SECONDS if left < LONG else LONG_ROUNDING_SECONDS
    return max(minimum, math.ceil(left / step) * step)


def seconds_to_start(*, position: int, run_seconds: int, now: datetime) -> float:
    """Until Google's limits allow the start of the job at this position of the line."""
    slots: Any = caches["local"].get_or_set(
        "google-slots", lambda: _slots(now), SLOTS_CACHE_SECONDS
    )
    first = max(now, slots.opens_at)
    starts = (
        _start(position, slots.recent, settings.VEO_CREATES_PER_MINUTE, 60, first),
        _start(position, slots.in_flight, settings.VEO_MAX_IN_FLIGHT, run_seconds, first),
    )
    return (max(starts) - now).total_seconds()


def _start(
    position: int, earlier: Sequence[datetime], limit: int, period: float, first: datetime
) -> datetime:
    """When the job at `position` starts, if nothing starts before `first`, and each start has to
    come `period` seconds after the one that was `limit` starts earlier. `earlier` are the last
    starts, oldest first.
    """
    earlier = earlier[-limit:]
    rounds, nth = divmod(position, limit)
    known = nth - (limit - len(earlier))
    start = first - timedelta(seconds=period)  # a start at this time, or before, is no limit
    if known >= 0:
        start = max(start, earlier[known])
    return start + timedelta(seconds=period * (1 + rounds))


def _slots(now: datetime) -> Slots:
    recent = VideoJob.objects.submitted_lately(now=now)
    recent_starts, starts_in_flight = (
        list(jobs.order_by("started_at").values_list("started_at", flat=True))
        for jobs in (recent, VideoJob.objects.in_flight())
    )
    gate = SubmissionGate.objects.get()
    refused = (datetime.fromtimestamp(at, UTC) for at in gate.refused_lately(now=now))
    return Slots(
        opens_at=gate.opens_at,
        recent=sorted([*recent_starts, *refused]),
        in_flight=starts_in_flight,
    )


def _typical_seconds(mock_mode: bool) -> float | None:
    runs = queries.runs(mock_mode=mock_mode, limit=queries.TYPICAL_SAMPLE)
    if runs:
        return queries.typical_seconds(runs)
    return settings.MOCK_SECONDS + 1 if mock_mode else None
