"""Delete expired data, in small batches that hold locks only briefly."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet

from accounts import api_keys, jwt, lockout
from jobs import account_deletion, job_creation, retention
from jobs.models import ACTIVE, IdempotencyKey, JobImage, Status, VideoJob, WebhookDelivery
from jobs.stats import processes
from jobs.worker import scheduler, staff_log, staging
from tokens_ledger import key_limit

logger = logging.getLogger(__name__)

BATCH_SIZE = 500  # rows; SQLite limits a statement's parameters
MAX_BATCHES = 100  # per table; the next hour deletes the rest
DELIVERY_RETENTION = timedelta(days=30)
STAGING_RETENTION = timedelta(days=1)  # after the deadline for storing


def purge_expired(*, now: datetime) -> None:
    """Purge all expired data, then link rows that processes of the previous release logged.

    Staged files are on this machine only, so each cluster also deletes its old ones at its start.
    """
    expired = [
        IdempotencyKey.objects.filter(created_at__lt=now - job_creation.IDEMPOTENCY_RETENTION),
        WebhookDelivery.objects.filter(created_at__lt=now - DELIVERY_RETENTION),
        JobImage.objects.exclude(job__status__in=ACTIVE),  # usually deleted at the job's end
        Session.objects.filter(expire_date__lt=now),
        api_keys.expired(now=now),
        jwt.expired(now=now),
        lockout.expired(now=now),
        key_limit.expired(now=now),
        processes.expired(now=now),
        *scheduler.expired_rows(now=now),
    ]
    purged = {rows.model._meta.label: _purge(rows) for rows in expired}
    if hasattr(cache, "purge"):  # the database cache; Redis expires keys itself
        purged["cache"] = cache.purge()
    account_deletion.finish(now=now)
    purged |= retention.run(now=now)
    delete_stale_files(now=now)
    logger.info("purged expired data", extra={"purged": purged})
    staff_log.link_recent()


def delete_stale_files(*, now: datetime) -> None:
    """Delete this machine's videos of jobs that have ended, perhaps on another machine."""
    deadline = timedelta(hours=settings.VIDEO_STORE_DEADLINE_HOURS)
    staging.delete_stale(before=now - deadline - STAGING_RETENTION)
    staged = staging.job_ids()
    running = VideoJob.objects.filter(pk__in=staged, status=Status.RUNNING)
    for job_id in set(staged) - set(running.values_list("pk", flat=True)):
        staging.delete(job_id)


def _purge(rows: QuerySet) -> int:
    """Delete `rows` in batches; return how many were deleted.

    It skips rows that others have locked, because to wait could be a deadlock.
    """
    gone = 0
    free = rows.select_for_update(skip_locked=True, of=("self",)).order_by("pk").only("pk")
    for _ in range(MAX_BATCHES):
        with transaction.atomic():
            batch = [row.pk for row in free[:BATCH_SIZE]]
            rows.filter(pk__in=batch).delete()
        gone += len(batch)
        if len(batch) < BATCH_SIZE:
            break
    return gone
