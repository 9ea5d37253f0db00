"""What nobody needs any more, removed: in small bites, so that nobody waits for it long."""

import logging
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db.models import QuerySet

from accounts import tokens
from jobs import orders, queue, spool
from jobs.models import ACTIVE, IdempotencyKey, JobImage

logger = logging.getLogger(__name__)

BITE = 500  # rows; SQLite bounds a statement's parameters
MOST_BITES = 100  # of one table; the rest waits for the next hour
SPOOL_KEPT = timedelta(days=1)


def tidy_up(*, now: datetime) -> None:
    """Purge all that has expired. The spool is this machine's; each cluster starts with it too."""
    expired = [
        IdempotencyKey.objects.filter(created_at__lt=now - orders.IDEMPOTENCY_KEPT),
        JobImage.objects.exclude(job__status__in=ACTIVE),  # they go with the job's end, usually
        Session.objects.filter(expire_date__lt=now),
        tokens.expired(now=now),
        *queue.leftovers(now=now),
    ]
    purged = {rows.model._meta.label: _purge(rows) for rows in expired}
    if hasattr(cache, "purge"):  # the database's; Redis forgets by itself
        purged["cache"] = cache.purge()
    sweep_spool(now=now)
    logger.info("tidied up", extra={"purged": purged})


def sweep_spool(*, now: datetime) -> None:
    spool.sweep(before=now - SPOOL_KEPT)


def _purge(rows: QuerySet) -> int:
    """Delete `rows` bite by bite; returns how many are gone."""
    gone = 0
    for _ in range(MOST_BITES):
        bite = list(rows.order_by("pk").values_list("pk", flat=True)[:BITE])
        rows.model._default_manager.filter(pk__in=bite).delete()
        gone += len(bite)
        if len(bite) < BITE:
            break
    return gone
