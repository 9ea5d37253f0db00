"""Positions in the waiting line, and its front, at a cost that does not depend on its length.

A line of at most FRONT jobs is read as a whole, so its positions are exact. A longer one is
numbered at each tick: a snapshot keeps the sort keys of its first FRONT jobs of each kind and of
about MARKS others, evenly spaced. A job's position is that of the last mark that is not behind it:
beyond the front it is too low by less than the distance of two marks (1 in 200), and both are at
most two seconds old. No row of the line is rewritten when it moves.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.core.cache import caches
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from jobs.models import LineSnapshot, Status, VideoJob

FRONT = 100  # jobs of each kind, of which the next are chosen
MARKS = 200
MAX_AGE = timedelta(seconds=3)  # of a snapshot; a process that finds an older one makes a new one
CACHE_SECONDS = 1
COLUMNS = ("mock_mode", "next_step_at", "status", "status_message", "user")

Marks = dict[str, list[list]]  # by kind: a job's place, then its sort key


def number(*, now: datetime) -> None:
    """Make a snapshot of the line, if it is long. If another process does so, wait for it."""
    if not is_long():
        return
    seen = LineSnapshot.objects.values_list("numbered_at", flat=True).get()
    with transaction.atomic():
        if LineSnapshot.objects.filter(numbered_at=seen).update(numbered_at=now):
            LineSnapshot.objects.update(marks=_marks())


def is_long() -> bool:
    # In the order of an index (`exists` would drop the order), so that PostgreSQL never looks for
    # waiting jobs in the whole table.
    waiting = VideoJob.objects.waiting().order_by("next_step_at")
    return bool(waiting.values("pk")[FRONT : FRONT + 1])


def positions(jobs: Sequence[VideoJob]) -> dict[UUID, int]:
    """For each PENDING job among `jobs`, by id: how many jobs of its kind start before it."""
    waiting = [job for job in jobs if job.status == Status.PENDING]
    if not waiting:
        return {}
    ids = [job.pk for job in waiting]
    marks = caches["local"].get_or_set("waiting-line", _current, CACHE_SECONDS)
    if not marks:
        return VideoJob.objects.places(ids)
    users = {job.user_id for job in waiting}
    return {
        UUID(key[-1]): _place(marks.get(kind, []), key)
        for kind, key in VideoJob.objects.sort_keys(ids, users=users)
    }


def front(*, now: datetime) -> Iterable[Any]:
    """The jobs of which the next are chosen, in the line's order, each with its `user_rank`: all
    of a short line, the front of a long one."""
    marks = _current(now)
    if not marks:
        return VideoJob.objects.in_line()
    first = sorted(mark[1:] for kind in marks.values() for mark in kind if mark[0] < FRONT)
    return _with_rank([UUID(key[-1]) for key in first])


def _with_rank(ids: Sequence[UUID]) -> Iterator[Any]:
    """Those jobs that still wait. Their ranks follow from the jobs that run now."""
    # By id alone: PostgreSQL could answer further conditions by reading all waiting jobs.
    # As tuples: a hundred instances take longer than the query.
    rows = VideoJob.objects.filter(pk__in=ids).values_list("pk", *COLUMNS, named=True)
    found = {row.pk: row for row in rows}
    jobs = [found[id] for id in ids if id in found]
    waiting = [job for job in jobs if job.status == Status.PENDING]
    ranks = _running({job.user for job in waiting})
    for job in waiting:
        ranks[job.user] = ranks.get(job.user, 0) + 1
        yield SimpleNamespace(**job._asdict(), user_rank=ranks[job.user])


def _running(users: Collection[UUID]) -> dict[UUID, int]:
    """How many jobs of each of these users run."""
    running = VideoJob.objects.filter(user__in=users, status=Status.RUNNING).order_by()
    return dict(running.values_list("user").annotate(Count("pk")))


def _current(now: datetime | None = None) -> Marks:
    """The snapshot of a long line, at most MAX_AGE old; nothing if the line is short."""
    if not is_long():
        return {}
    now = now or timezone.now()
    snapshot = LineSnapshot.objects.get()
    if abs(now - snapshot.numbered_at) > MAX_AGE:
        number(now=now)
        snapshot.refresh_from_db()
    marks: Marks = snapshot.marks
    return marks


def _marks() -> Marks:
    marks: Marks = {}
    for kind, place, key in VideoJob.objects.numbered(front=FRONT, marks=MARKS):
        marks.setdefault(kind, []).append([place, *key])
    return marks


def _place(marks: list[list], key: list) -> int:
    """The place of the last mark that is not behind `key`."""
    found = bisect_right(marks, key, key=lambda mark: mark[1:])
    place: int = marks[found - 1][0] if found else 0
    return place
