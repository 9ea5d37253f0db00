"""What the public monitor shows of a job: an explicit list, so that new columns stay hidden."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from jobs.models import ACTIVE, Status, VideoJob
from jobs.monitor.log_lines import ALL_LINES, LINES, Line, Log, logs
from jobs.monitor.masking import masked
from jobs.querysets import VideoJobQuerySet
from jobs.stats import estimates, waiting_line
from jobs.storage import posters

PAGE = 24  # jobs
DAY = timedelta(hours=24)
COLUMNS = (
    *("id", "prompt", "model", "resolution", "aspect_ratio", "duration_seconds", "generate_audio"),
    *("negative_prompt", "seed", "mock_mode"),
    *("status", "status_message", "progress_percentage", "error_message"),
    *("video_url", "poster_url", "created_at", "started_at", "completed_at"),
    *("expected_seconds", "stage"),  # for the estimate only
)


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
    late: bool  # it has run for longer than usual
    before_it: int | None  # the number of jobs that start earlier
    error_message: str
    video_url: str
    poster_url: str
    small_poster_url: str
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


def active(*, most: int, now: datetime) -> list[Card]:
    """Running jobs, then waiting ones, the newest first."""
    jobs = _public().filter(status__in=ACTIVE).order_by("-status", "-created_at", "-id")
    return _cards(jobs.only(*COLUMNS)[:most], LINES, now)


def page(*, status: str, number: int, now: datetime) -> list[Card]:
    """A page of PAGE jobs with this status, or of those that have ended if it is "".

    Active jobs are sorted by their creation and others by their end, the newest first.
    """
    first = (number - 1) * PAGE
    return _cards(_newest(status, now=now).only(*COLUMNS)[first : first + PAGE], LINES, now)


def videos(*, most: int, now: datetime) -> list[Card]:
    """The newest jobs of the last 24 hours that have a video."""
    jobs = _newest(Status.SUCCEEDED, now=now).exclude(video_url="")
    return _cards(jobs.only(*COLUMNS)[:most], 0, now)


def chosen(*, ids: list[UUID], now: datetime) -> list[Card]:
    """The jobs with these ids, in their order, without those that have become private."""
    found = _public().only(*COLUMNS).in_bulk(ids)
    return _cards([found[id] for id in ids if id in found], LINES, now)


def prompts(*, most: int, now: datetime) -> list[tuple[UUID, str]]:
    """The ids and masked prompts of up to `most` active jobs and as many others, newest first."""
    columns = ("pk", "prompt", "negative_prompt")
    running = _public().filter(status__in=ACTIVE).order_by("-status", "-created_at", "-id")
    rows = [
        row for jobs in (running, _newest("", now=now)) for row in jobs.values_list(*columns)[:most]
    ]
    return [(id, masked(f"{prompt or ''} {negative}")) for id, prompt, negative in rows]


def job(*, id: UUID, now: datetime) -> Card:
    """One job of any age, with its log. Raises VideoJob.DoesNotExist, if it is private too."""
    [card] = _cards([_public().only(*COLUMNS).get(pk=id)], ALL_LINES, now)
    return card


def neighbours(*, card: Card, now: datetime) -> tuple[UUID | None, UUID | None]:
    """The ids of the next newer and the next older job among the active ones or, if `card` has
    ended, among those of the last 24 hours that have.
    """
    column, at = (
        ("completed_at", card.completed_at) if card.ended else ("created_at", card.created_at)
    )
    jobs = _newest("", now=now) if card.ended else _public().filter(status__in=ACTIVE)
    newer = jobs.filter(**{f"{column}__gte": at}).exclude(**{column: at, "id__lte": card.id})
    older = jobs.filter(**{f"{column}__lte": at}).exclude(**{column: at, "id__gte": card.id})
    return (
        newer.order_by(column, "id").values_list("pk", flat=True).first(),
        older.order_by(f"-{column}", "-id").values_list("pk", flat=True).first(),
    )


def has_page(*, id: UUID) -> bool:
    """Whether the job exists and is not private."""
    return _public().filter(pk=id).exists()


def _public() -> VideoJobQuerySet:
    return VideoJob.objects.filter(private=False)


def _newest(status: str, *, now: datetime) -> VideoJobQuerySet:
    """The jobs that `page` is a part of. Each order is that of a partial index."""
    if status in ACTIVE:
        return _public().filter(status=status).order_by("-created_at", "-id")
    since = now - DAY  # what was created since then has also ended since then
    jobs = _public().filter(completed_at__gte=since, created_at__gte=since)
    jobs = jobs.filter(status=status) if status else jobs
    return jobs.order_by("-completed_at", "-id")


def _cards(jobs: Iterable[VideoJob], most: int, now: datetime) -> list[Card]:
    found = list(jobs)
    positions = waiting_line.positions(found)
    lines = logs(jobs=found, most=most) if most else {}
    nothing = Log((), 0)
    return [_card(each, positions.get(each.pk), lines.get(each.pk, nothing), now) for each in found]


def _card(job: VideoJob, position: int | None, log: Log, now: datetime) -> Card:
    return Card(
        id=str(job.pk),
        prompt=_shown(job.prompt),
        negative_prompt=_shown(job.negative_prompt),
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
        late=_is_late(job, now),
        before_it=position,
        error_message=job.error_message,
        video_url=job.video_url,
        poster_url=job.poster_url,
        small_poster_url=posters.small(job.poster_url),
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        lines=log.lines,
        earlier_lines=log.earlier,
    )


def _seconds_left(job: VideoJob, position: int | None, now: datetime) -> int | None:
    if job.status != Status.RUNNING:  # a waiting job's start cannot be estimated
        return None
    return estimates.remaining_seconds(job=job, queue_position=position, now=now)


def _shown(text: str | None) -> str:
    return masked(text or "") if settings.MONITOR_SHOW_PROMPTS else ""


def _is_late(job: VideoJob, now: datetime) -> bool:
    """Whether it has run for longer than the usual time, which `estimates` does not say."""
    if job.status != Status.RUNNING or not job.expected_seconds or not job.started_at:
        return False
    return now - job.started_at > timedelta(seconds=job.expected_seconds)
