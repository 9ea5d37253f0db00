"""What the public monitor shows of a job: an explicit list, so that new columns stay hidden."""

from collections.abc import Iterable, Iterator
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
AS_IN_THE_ROW = (  # fields of a Card that are columns
    *("model", "aspect_ratio", "status", "status_message", "progress_percentage", "error_message"),
    *("video_url", "poster_url", "created_at", "started_at", "completed_at"),
)
COLUMNS = (
    *(*AS_IN_THE_ROW, "id", "prompt", "negative_prompt"),
    *("resolution", "duration_seconds", "generate_audio", "seed", "mock_mode"),  # options
    *("expected_seconds", "stage"),  # for the estimate only
)


@dataclass(frozen=True)
class Card:
    """The public fields of one job."""

    id: str
    prompt: str
    negative_prompt: str
    model: str
    aspect_ratio: str
    options: tuple[str, ...]  # of the order, for a person
    status: str
    ended: bool
    status_message: str
    progress_percentage: int
    seconds_left: int | None
    late: bool  # longer than usual
    before_it: int | None  # the number of jobs that start earlier; None if it is held
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
    return _cards(_active().only(*COLUMNS)[:most], LINES, now)


def page(*, status: str, number: int, now: datetime, rows: int = 0) -> list[Card]:
    """A page of PAGE jobs with this status, or of those that have ended if it is "". Up to `rows`
    active jobs come before them.

    Active jobs are sorted by their creation and others by their end, the newest first.
    """
    first = (number - 1) * PAGE
    jobs = _newest(status, now=now).only(*COLUMNS)[first : first + PAGE]
    return _cards([*_active().only(*COLUMNS)[:rows], *jobs], LINES, now)


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
    rows = [
        row
        for jobs in (_active(), _newest("", now=now))
        for row in jobs.values_list(*columns)[:most]
    ]
    return [(id, masked(f"{prompt or ''} {negative}")) for id, prompt, negative in rows]


def without_hidden(*, ids: list[UUID]) -> list[UUID]:
    """Those of `ids` whose jobs exist and are not private, in their order."""
    public = set(_public().filter(pk__in=ids).values_list("pk", flat=True))
    return [id for id in ids if id in public]


def job(*, id: UUID, now: datetime) -> Card:
    """One job of any age, with its log. Raises VideoJob.DoesNotExist, also if it is private."""
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


def _active() -> VideoJobQuerySet:
    return _public().filter(status__in=ACTIVE).order_by("-status", "-created_at", "-id")


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
        options=tuple(_options(job)),
        ended=job.status not in ACTIVE,
        seconds_left=_seconds_left(job, position, now),
        late=_is_late(job, now),
        before_it=position,
        small_poster_url=posters.small(job.poster_url),
        lines=log.lines,
        earlier_lines=log.earlier,
        **{name: getattr(job, name) for name in AS_IN_THE_ROW},
    )


def _options(job: VideoJob) -> Iterator[str]:
    yield from (job.resolution, job.aspect_ratio, f"{job.duration_seconds} s")
    if job.generate_audio:
        yield "sound"
    if job.seed is not None:
        yield f"seed {job.seed}"
    if job.mock_mode:
        yield "mock"


def _seconds_left(job: VideoJob, position: int | None, now: datetime) -> int | None:
    if job.status != Status.RUNNING:  # a waiting job's start cannot be estimated
        return None
    return estimates.remaining_seconds(job=job, queue_position=position, now=now)


def _shown(text: str | None) -> str:
    return masked(text or "") if settings.MONITOR_SHOW_PROMPTS else ""


def _is_late(job: VideoJob, now: datetime) -> bool:
    """Whether it has run for longer than usual."""
    if job.status != Status.RUNNING or not job.expected_seconds or not job.started_at:
        return False
    return now - job.started_at > timedelta(seconds=job.expected_seconds)
