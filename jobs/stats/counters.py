"""Counters for the metrics. They remain correct when the counted rows are deleted.

A count is written after the commit of the counted change, so that transactions do not wait for each
other. It is lost if the process dies in between: counters are for monitoring, not for accounting.
"""

from bisect import bisect_left

from django.db import transaction
from django.db.models import F

from jobs.models import Tally

ANSWERS, ENDED, GENERATION, STORAGE = "answers", "ended", "generation", "storage"
WEBHOOKS = "webhooks"
RESTARTS = "restarts"  # of clusters
WAIT, VIDEO = "wait", "video"  # from the order to the start, and to the stored video
BUCKETS = {  # the histograms' upper bounds, in seconds
    GENERATION: (5, 15, 30, 45, 60, 90, 120, 180, 300, 600, 1200),
    STORAGE: (1, 2, 5, 10, 20, 30, 60, 120, 300),
    WAIT: (1, 5, 15, 60, 300, 900, 3600, 14400),
    VIDEO: (30, 60, 120, 180, 300, 600, 1200, 3600, 14400),
}


def inc(*, name: str, kind: str, value: str, count: int = 1, seconds: float = 0) -> None:
    """Add to a counter after the commit. An error is logged and does not affect the caller."""
    transaction.on_commit(lambda: _write(name, kind, value, count, seconds), robust=True)


def observe(*, name: str, kind: str, seconds: float) -> None:
    """Add a duration to its bucket of the histogram."""
    bucket = bounds(name)[bisect_left(BUCKETS[name], seconds)]
    inc(name=name, kind=kind, value=bucket, seconds=seconds)


def bounds(name: str) -> list[str]:
    """The upper bounds of a histogram's buckets, as Prometheus writes them."""
    return [*map(str, BUCKETS[name]), "+Inf"]


def _write(name: str, kind: str, value: str, count: int, seconds: float) -> None:
    row = Tally.objects.filter(name=name, kind=kind, value=value)
    changes = {"count": F("count") + count, "seconds": F("seconds") + seconds}
    if not row.update(**changes):
        Tally.objects.get_or_create(name=name, kind=kind, value=value)
        row.update(**changes)
