"""The only writer of a job's events: the log that clients read, and the lines for staff alone."""

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
    """A line that clients read."""
    return JobEvent.objects.create(job_id=job.pk, message=message, created_at=now, level=level)


def add_by_staff(actor: User, job: VideoJob, what: str, reason: str, now: datetime) -> None:
    """A line for staff: what one of them did to the job, and why."""
    message = f"{what} by {actor.get_username()}"
    JobEvent.objects.create(
        job=job, message=message, detail=reason, actor=actor, created_at=now, internal=True
    )


def add_internal(job: VideoJob, message: str, now: datetime, detail: str) -> None:
    """A line for staff; `detail` may hold the provider's own words."""
    detail = detail.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL refuses NUL
    JobEvent.objects.create(
        job=job, message=message, detail=detail[:MAX_DETAIL], created_at=now, internal=True
    )


def add_late_answer(
    *, job: VideoJob, what: str, detail: str, now: datetime, raw: bool = False
) -> None:
    """Record, for staff, an answer that came after the job's end.

    `detail` is the operation's name or, if `raw`, the provider's words, which no log may hold.
    """
    operation = {} if raw else {"operation": detail}
    logger.warning("late answer", extra={"job": str(job.pk), "what": what} | operation)
    if VideoJob.objects.filter(pk=job.pk).exists():
        add_internal(job, what, now, detail)


def log_after_commit(job: VideoJob, what: str, **more: str) -> None:
    """Write a line to the operator's log once the transaction is committed."""
    extra = {"job": str(job.pk)} | more
    transaction.on_commit(partial(logger.info, "job %s", what, extra=extra))
