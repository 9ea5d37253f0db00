"""When each task that the clusters repeat last started, finished and failed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from django.db import Error
from django.utils import timezone

from jobs.models import PeriodicTask

logger = logging.getLogger(__name__)

TICK, REVIVAL, HOUSEKEEPING = "tick", "revival of the tick", "housekeeping"
LEDGER_CHECK = "ledger check"
NAMES = (TICK, REVIVAL, HOUSEKEEPING, LEDGER_CHECK)
SELDOM_SECONDS = 10
_recorded_at: dict[str, float] = {}  # of this process


@contextmanager
def recorded(name: str, *, seldom: bool = False) -> Iterator[None]:
    """Record a run of the task `name`.

    With `seldom`, a process records a start and a success at most every SELDOM_SECONDS, and every
    failure.
    """
    is_due = not seldom or monotonic() - _recorded_at.get(name, -SELDOM_SECONDS) >= SELDOM_SECONDS
    if is_due:
        _recorded_at[name] = monotonic()
        _write(name, started_at=timezone.now())
    try:
        yield
    except Exception as error:
        _write(name, failed_at=timezone.now(), error=type(error).__name__[:100])
        raise
    if is_due:
        _write(name, finished_at=timezone.now())


def _write(name: str, **columns: Any) -> None:
    """A database error is logged and does not affect the task."""
    try:
        PeriodicTask.objects.bulk_create(
            [PeriodicTask(name=name, **columns)],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=list(columns),
        )
    except Error as problem:
        logger.warning("a run of %s was not recorded: %s", name, type(problem).__name__)


def last_runs() -> list[PeriodicTask]:
    """Of each task in NAMES, also of those that never ran."""
    rows = {row.name: row for row in PeriodicTask.objects.all()}
    return [rows.get(name) or PeriodicTask(name=name) for name in NAMES]
