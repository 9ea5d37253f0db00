"""The lines of jobs' logs that the public may read."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from jobs.models import JobEvent, VideoJob

LINES, ALL_LINES = 20, 2_000  # the newest ones, in a list and on the job's own page


@dataclass(frozen=True)
class Line:
    """A line of a job's log."""

    at: datetime
    level: str
    message: str


@dataclass(frozen=True)
class Log:
    """The newest lines of a job's log, and the number of earlier ones."""

    lines: tuple[Line, ...]
    earlier: int


def logs(*, jobs: Sequence[VideoJob], most: int) -> dict[UUID, Log]:
    """For each job the newest `most` lines that clients may see."""
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
    return {job.pk: Log(tuple(lines[job.pk]), earlier[job.pk]) for job in jobs}
