"""The only writer of job events: the log that clients read, and the lines for staff only."""

import logging
from datetime import datetime
from functools import partial

from django.db import transaction

from accounts.models import User
from jobs.models import JobEvent, VideoJob

logger = logging.getLogger(__name__)

MAX_DETAIL = 2000  # characters
ACCEPTED_LATE = "The provider took it after all"


def add(job: VideoJob, message: str, now: datetime, level: str = JobEvent.Level.INFO) -> JobEvent:
    """Add a line that clients read."""
    return JobEvent.objects.create(job_id=job.pk, message=message, created_at=now, level=level)


def add_by_staff(actor: User, job: VideoJob, what: str, reason: str, now: datetime) -> None:
    """Add a line for staff: what a staff member did to the job, and why."""
    message = f"{what} by {actor.get_username()}"
    JobEvent.objects.create(
        job=job, message=message, detail=reason, actor=actor, created_at=now, internal=True
    )


def add_internal(job: VideoJob, message: str, now: datetime, detail: str) -> None:
    """Add a line for staff; `detail` may contain the provider's own text."""
    detail = detail.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL refuses NUL
    JobEvent.objects.create(
        job=job, message=message, detail=detail[:MAX_DETAIL], created_at=now, internal=True
    )


def add_late_answer(
    *, job: VideoJob, what: str, detail: str, now: datetime, raw: bool = False
) -> None:
    """Record, for staff, an answer that arrived after the job ended.

    `detail` is the operation's name or, if `raw`, the provider's text, which must not be logged.
    """
    operation = {} if raw else {"operation": detail}
    logger.warning("late answer", extra={"job": str(job.pk), "what": what} | operation)
    with transaction.atomic():
        if VideoJob.objects.select_for_update().filter(pk=job.pk).first():  # not deleted meanwhile
            add_internal(job, what, now, detail)


def log_after_commit(job: VideoJob, what: str, **fields: str) -> None:
    """Write a log line once the transaction is committed."""
    extra = {"job": str(job.pk)} | fields
    transaction.on_commit(partial(logger.info, "job %s", what, extra=extra))
