"""Status changes by clients and staff: create, cancel, delete, hide, mark as failed."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts.models import User
from jobs import events, messages, refunds, removals, transitions
from jobs.failures import INTERNAL
from jobs.models import ACTIVE, JobEvent, Stage, Status, VideoJob, VideoRemoval
from jobs.stats import estimates, job_totals
from jobs.webhooks import outbox


class AlreadyFinished(Exception):
    """The job has already ended. The first argument is its status."""


# ---- For clients ----


def cancel(
    *, job: VideoJob, now: datetime, actor: User | None = None, reason: str = ""
) -> VideoJob:
    """Cancel an active job. It is refunded unless it was submitted to the provider.

    Raises AlreadyFinished, and VideoJob.DoesNotExist if it was deleted meanwhile. Without `actor`
    (the owner cancels), a CANCELLED job is returned unchanged. If a staff member is the `actor`,
    the reason is recorded, and a CANCELLED job raises AlreadyFinished too.
    """
    with transaction.atomic():
        job = VideoJob.objects.select_for_update().get(pk=job.pk)
        if job.status == Status.CANCELLED and actor is None:
            return job
        if job.status not in ACTIVE:
            raise AlreadyFinished(job.status)
        transitions.end(job, Status.CANCELLED, now, status_message=messages.CANCELLED)
        job.version += 1  # as in the locked row
        events.add(job, f"🛑 Cancelled by {'support' if actor else 'user'}", now)
        if actor:
            events.add_by_staff(actor, job, "Cancelled", reason, now)
        if job.submitted_at is None:
            refunds.refund_on_end(job, "Cancelled before it was submitted", now)
        job_totals.ended(job)
        outbox.job_ended(job, now)
    return job


def delete(*, job: VideoJob, now: datetime, video_too: VideoRemoval.Cause | None = None) -> None:
    """Delete the job and its images; cancel it first if it is active. Ledger entries remain.

    `video_too` is the cause for which its stored video is deleted as well; None leaves the video.
    """
    with transaction.atomic():
        locked = VideoJob.objects.select_for_update().filter(pk=job.pk).first()
        if locked is None:
            return
        if locked.status in ACTIVE:
            locked = cancel(job=locked, now=now)
        if video_too and locked.video_url:
            removals.queue(jobs=[locked], cause=video_too, now=now)
        job_totals.deleted([locked])
        locked.delete()


def set_private(*, job: VideoJob, private: bool) -> VideoJob:
    """Hide the job from the public monitor, or show it; return the job as it is now.

    Raises VideoJob.DoesNotExist if it was deleted meanwhile.
    """
    changed = VideoJob.objects.filter(pk=job.pk, private=not private)
    changed.update(private=private, version=F("version") + 1)
    return VideoJob.objects.get(pk=job.pk)


# ---- New jobs ----


def create(*, job: VideoJob, now: datetime) -> JobEvent:
    """Insert a new PENDING job and its first event; return the event."""
    job.save(force_insert=True)
    job_totals.created(job)
    events.log_after_commit(job, "created")
    return events.add(job, messages.CREATED, now)


def create_generating(*, job: VideoJob, operation: str, now: datetime) -> None:
    """Insert a new job whose video the provider is already making or has made.

    `operation` is the provider's name for the video. The job starts as RUNNING/`generating`.
    """
    job.status, job.stage = Status.RUNNING, Stage.GENERATING
    job.status_message = messages.GENERATING
    job.progress_percentage = estimates.SUBMITTED
    job.operation = operation
    job.started_at = job.submitted_at = job.next_step_at = now
    job.deadline_at = now + timedelta(seconds=settings.VIDEO_JOB_DEADLINE_SECONDS)
    create(job=job, now=now)


# ---- For staff ----


def force_fail(*, job: VideoJob, actor: User, reason: str, now: datetime) -> int:
    """Mark an active job as FAILED and refund it; return the number of tokens refunded.

    Returns 0 if it was refunded before or cost nothing. Raises AlreadyFinished,
    refund_limit.DailyLimitReached, and VideoJob.DoesNotExist if it was deleted meanwhile.
    """
    with transaction.atomic():
        job = VideoJob.objects.select_for_update().get(pk=job.pk)
        if job.status not in ACTIVE:
            raise AlreadyFinished(job.status)
        transitions.end(
            job,
            Status.FAILED,
            now,
            status_message=messages.FAILED,
            error_code=INTERNAL.code,
            error_message=INTERNAL.message,
        )
        events.add(job, f"❌ {INTERNAL.message}", now, JobEvent.Level.ERROR)
        events.add_by_staff(actor, job, "Marked as failed", reason, now)
        refunded = refunds.refund_on_end(job, reason, now, actor=actor)
        job_totals.ended(job)
        outbox.job_ended(job, now)
    return refunded
