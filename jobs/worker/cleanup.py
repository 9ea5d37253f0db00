"""Delete expired rows and files, in small batches, so that locks are short."""

import logging
from datetime import datetime, timedelta

from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db.models import QuerySet

from accounts import jwt
from jobs import job_creation
from jobs.models import ACTIVE, IdempotencyKey, JobImage
from jobs.worker import scheduler, staging

logger = logging.getLogger(__name__)

BATCH_SIZE = 500  # rows; SQLite bounds a statement's parameters
MAX_BATCHES = 100  # of one table; the rest waits for the next hour
STAGING_RETENTION = timedelta(days=1)


def purge_expired(*, now: datetime) -> None:
    """Delete expired rows, and this machine's stale files (as each cluster does when it starts)."""
    expired = [
        IdempotencyKey.objects.filter(created_at__lt=now - job_creation.IDEMPOTENCY_RETENTION),
        JobImage.objects.exclude(job__status__in=ACTIVE),  # normally deleted when the job ends
        Session.objects.filter(expire_date__lt=now),
        jwt.expired(now=now),
        *scheduler.expired_rows(now=now),
    ]
    purged = {rows.model._meta.label: _purge(rows) for rows in expired}
    if hasattr(cache, "purge"):  # the database cache; Redis expires keys itself
        purged["cache"] = cache.purge()
    delete_stale_files(now=now)
    logger.info("tidied up", extra={"purged": purged})


def delete_stale_files(*, now: datetime) -> None:
    staging.delete_stale(before=now - STAGING_RETENTION)


def _purge(rows: QuerySet) -> int:
    """Delete `rows` in batches; return the number deleted."""
    gone = 0
    for _ in range(MAX_BATCHES):
        batch = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH_SIZE])
        rows.model._default_manager.filter(pk__in=batch).delete()
        gone += len(batch)
        if len(batch) < BATCH_SIZE:
            break
    return gone
