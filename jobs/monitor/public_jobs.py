"""What the public monitor shows of a job: an explicit list, so that new columns stay hidden."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from jobs.models import ACTIVE, JobEvent, Status, VideoJob
from jobs.querysets import VideoJobQuerySet
from jobs.stats import estimates, waiting_line

PAGE = 24  # jobs
DAY = timedelta(hours=24)
LINES, ALL_LINES = 20, 2_000  # the newest log lines, on a card and on the job's own page
COLUMNS = (
    *("id", "prompt", "model", "resolution", "aspect_ratio", "duration_seconds", "generate_audio"),
    *("negative_prompt", "seed", "mock_mode"),
    *("status", "status_message", "progress_percentage", "error_message"),
    *("video_url", "poster_url", "created_at", "started_at", "completed_at"),
    *("expected_seconds", "stage"),  # for the estimate only
)


@dataclass(frozen=True)
class Line:
    """A line of a job's log."""

    at: datetime
    level: str
    message: str


@dataclass(frozen=True)
class Card:
    """The public fields of one job."""

    id: str
    prompt: str
    negative_prompt: str
    model: str
    resolution: str
    aspect_ratio: str
    duration_seconds: int
    with_sound: bool
    seed: int | None
    is_mock: bool
    status: str
    ended: bool
    status_message: str
    progress_percentage: int
    seconds_left: int | None
    before_it: int | None  # the number of jobs that start earlier
    error_message: str
    video_url: str
    poster_url: str
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    lines: tuple[Line, ...]
    earlier_lines: int  # the number of older lines, which are not in `lines`


def counted(*, now: datetime) -> Q:
    """A filter for the jobs that the monitor counts: those of the last 24 hours, and all active
    ones. It shows those of them that are not private.
    """
    return Q(created_at__gte=now - DAY) | Q(status__in=ACTIVE)


def page(*, status: str, number: int, now: datetime) -> list[Card]:
    """A page of PAGE jobs, newest first, with this status, or "" for all."""
    first = (number - 1) * PAGE
    return _cards(_newest(status, first, since=now - DAY), LINES, now)


def job(*, id: UUID, now: datetime) -> Card:
    """One job of any age, with its log. Raises VideoJob.DoesNotExist, if it is private too."""
    [card] = _cards([_public().only(*COLUMNS).get(pk=id)], ALL_LINES, now)
    return card


def has_page(*, id: UUID) -> bool:
    """Whether the job exists and is not private."""
    return _public().filter(pk=id).exists()


def _public() -> VideoJobQuerySet:
    return VideoJob.objects.filter(private=False)


def _newest(status: str, first: int, *, since: datetime) -> list[VideoJob]:
    """PAGE jobs after the `first` newest ones. Two queries in place of an OR, for which PostgreSQL
    may read all jobs.
    """
    jobs = _public().only(*COLUMNS).order_by("-created_at", "-id")
    if status in ACTIVE:
        return list(jobs.filter(status=status)[first : first + PAGE])
    recent = jobs.filter(created_at__gte=since)
    if status:
        return list(recent.filter(status=status)[first : first + PAGE])
    found = list(recent[first : first + PAGE])
    older = jobs.filter(created_at__lt=since, status__in=ACTIVE)
    skipped = 0 if found or not first else first - recent.count()
    return found + list(older[skipped : skipped + PAGE - len(found)])


def _cards(jobs: Iterable[VideoJob], most: int, now: datetime) -> list[Card]:
    found = list(jobs)
    positions = waiting_line.positions(found)
    logs = _logs(found, most)
    return [_card(each, positions.get(each.pk), *logs[each.pk], now) for each in found]


def _card(
    job: VideoJob, position: int | None, lines: tuple[Line, ...], earlier: int, now: datetime
) -> Card:
    return Card(
        id=str(job.pk),
        prompt=job.prompt if settings.MONITOR_SHOW_PROMPTS else "",
        negative_prompt=job.negative_prompt if settings.MONITOR_SHOW_PROMPTS else "",
        model=job.model,
        resolution=job.resolution,
        aspect_ratio=job.aspect_ratio,
        duration_seconds=job.duration_seconds,
        with_sound=job.generate_audio,
        seed=job.seed,
        is_mock=job.mock_mode,
        status=job.status,
        ended=job.status not in ACTIVE,
        status_message=job.status_message,
        progress_percentage=job.progress_percentage,
        seconds_left=_seconds_left(job, position, now),
        before_it=position,
        error_message=job.error_message,
        video_url=job.video_url,
        poster_url=job.poster_url,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        lines=lines,
        earlier_lines=earlier,
    )


def _seconds_left(job: VideoJob, position: int | None, now: datetime) -> int | None:
    if job.status != Status.RUNNING:  # a waiting job's start cannot be estimated
        return None
    return estimates.remaining_seconds(job=job, queue_position=position, now=now)


def _logs(jobs: Sequence[VideoJob], most: int) -> dict[UUID, tuple[tuple[Line, ...], int]]:
    """For each job the newest `most` lines that clients may see, and the number of older ones."""
    age = Window(RowNumber(), partition_by=F("job"), order_by=F("id").desc())
    rows: Any = (
        JobEvent.objects.filter(job__in=[job.pk for job in jobs], internal=False)
        .annotate(age=age)
        .order_by("id")
        .values_list("job", "created_at", "level", "message", "age")
    )
    lines: dict[UUID, list[Line]] = defaultdict(list)
    earlier: dict[UUID, int] = defaultdict(int)
    for id, at, level, message, age in rows:
        if age > most:
            earlier[id] += 1
        else:
            lines[id].append(Line(at=at, level=level, message=message))
    return {job.pk: (tuple(lines[job.pk]), earlier[job.pk]) for job in jobs}
