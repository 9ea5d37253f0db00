"""Counting what happened, for the metrics, where rows that can be deleted would not do.

A count is written after the commit of what it counts, so that no transaction waits for another's,
and is lost where a process dies in between: it is for watching, not for accounts.
"""

from bisect import bisect_left

from django.db import transaction
from django.db.models import F

from jobs.models import Tally

ANSWERS, ENDED, GENERATION, STORAGE = "answers", "ended", "generation", "storage"
BUCKETS = {  # the histograms' upper bounds, in seconds
    GENERATION: (5, 15, 30, 45, 60, 90, 120, 180, 300, 600, 1200),
    STORAGE: (1, 2, 5, 10, 20, 30, 60, 120, 300),
}


def inc(*, name: str, kind: str, value: str, count: int = 1, seconds: float = 0) -> None:
    """Count something that happened; it happened even if it cannot be counted."""
    transaction.on_commit(lambda: _write(name, kind, value, count, seconds), robust=True)


def observe(*, name: str, kind: str, seconds: float) -> None:
    """Count a duration, in the histogram's bucket that it falls into."""
    bucket = bounds(name)[bisect_left(BUCKETS[name], seconds)]
    inc(name=name, kind=kind, value=bucket, seconds=seconds)


def bounds(name: str) -> list[str]:
    """The upper bounds of a histogram's buckets, as Prometheus writes them."""
    return [*map(str, BUCKETS[name]), "+Inf"]


def _write(name: str, kind: str, value: str, count: int, seconds: float) -> None:
    row = Tally.objects.filter(name=name, kind=kind, value=value)
    more = {"count": F("count") + count, "seconds": F("seconds") + seconds}
    if not row.update(**more):
        Tally.objects.get_or_create(name=name, kind=kind, value=value)
        row.update(**more)
