"""Pages of a user's jobs, newest first.

A page reads the keys of as many rows as it returns, and of those that `offset` skips, however many
jobs the user has. The total of a status is a stored count; that of a date or a client's reference
is counted for the first page, and the cursor carries it to the next pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from jobs.models import Status, VideoJob
from jobs.querysets import VideoJobQuerySet
from jobs.stats import job_totals
from videostudio.core.api.pagination import Cursor, created_between, cursor_of, older_than

NEWEST_FIRST = ("-created_at", "-id")
OLDEST_FIRST = ("created_at", "id")


class JobKey(NamedTuple):
    """What sorts a job, and its version: enough for a job whose JSON is cached."""

    created_at: datetime
    pk: UUID
    version: int


@dataclass(frozen=True)
class Page:
    jobs: Sequence[JobKey]
    total: int
    next_cursor: str | None


def page(*, user: Any, query: Mapping[str, Any]) -> Page:
    """The page that a validated ListQuerySerializer asks for."""
    limit, offset = query["limit"], query["offset"]
    statuses = _filtered_statuses(query)
    matching = VideoJob.objects.for_user(user).filter(**_filters(query))
    after: Cursor | None = query.get("after")
    total = after.total if after else None
    if total is None and _filters(query):
        total = (matching.filter(status__in=statuses) if statuses else matching).count()
    rest = matching.filter(older_than(*after.position)) if after else matching
    jobs = _slice(rest, statuses, offset, offset + limit + 1)
    carried = total
    if total is None:
        total = job_totals.total(user_id=user.pk, statuses=statuses)
    cursor = cursor_of(jobs[limit - 1], query["filters"], carried) if len(jobs) > limit else None
    return Page(jobs[:limit], total, cursor)


def after_job(
    *, user: Any, after: UUID | None, limit: int, oldest_first: bool
) -> tuple[Sequence[VideoJob], bool]:
    """At most `limit` jobs that follow the job `after`, and whether there are more.

    Raises VideoJob.DoesNotExist if the user has no job `after`.
    """
    jobs = VideoJob.objects.for_user(user)
    if after:
        position = jobs.values_list("created_at", "pk").get(pk=after)
        jobs = jobs.filter((_newer_than if oldest_first else older_than)(*position))
    rows = list(jobs.order_by(*(OLDEST_FIRST if oldest_first else NEWEST_FIRST))[: limit + 1])
    return rows[:limit], len(rows) > limit


def _filtered_statuses(query: Mapping[str, Any]) -> Sequence[str]:
    """Empty if all statuses are wanted."""
    statuses: Sequence[str] = query.get("status_filter", ())
    return () if len(statuses) == len(Status) else statuses


def _filters(query: Mapping[str, Any]) -> dict[str, Any]:
    filters: dict[str, Any] = created_between(query)
    if "client_reference" in query:
        filters["client_reference"] = query["client_reference"]
    return filters


def _slice(
    jobs: VideoJobQuerySet, statuses: Sequence[str], start: int, end: int
) -> Sequence[JobKey]:
    if len(statuses) < 2:
        filtered = jobs.filter(status__in=statuses) if statuses else jobs
        return _keys(filtered, start, end)
    # One query for each status, because no index sorts the jobs of several by time.
    keys = [key for status in statuses for key in _keys(jobs.filter(status=status), 0, end)]
    return sorted(keys, reverse=True)[start:end]


def _keys(jobs: VideoJobQuerySet, start: int, end: int) -> list[JobKey]:
    rows = jobs.order_by(*NEWEST_FIRST).values_list(*JobKey._fields)
    return [JobKey(*row) for row in rows[start:end]]


def _newer_than(created_at: datetime, pk: UUID) -> Q:
    """As `older_than`, for a list that is sorted oldest first."""
    return Q(created_at__gte=created_at) & (Q(created_at__gt=created_at) | Q(pk__gt=pk))
