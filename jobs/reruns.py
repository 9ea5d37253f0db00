"""Reruns of ended jobs by staff. A rerun is always a new job: a final status never changes."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from jobs import events, lifecycle, messages, model_availability, pricing, wakeup
from jobs.catalog import MODELS, OPERATION
from jobs.models import ACTIVE, JobEvent, Status, VideoJob
from jobs.stats import estimates
from tokens_ledger import ledger


class JobStillActive(Exception):
    """The job has not ended yet."""


class AlreadyRerun(Exception):
    """Another job (the first argument) already makes or has made this video."""


class InputImagesDeleted(Exception):
    """The job had input images, which were deleted when it ended."""


class ModelRetired(Exception):
    """The job's model is no longer in the catalog."""


class VideoRemoved(Exception):
    """The job's video was removed, which cannot be undone."""


class NoOperation(Exception):
    """The provider's operation name for the job's video is not known."""


def retry(*, job: VideoJob, actor: User, reason: str, charged: bool, now: datetime) -> VideoJob:
    """Repeat an ended job's request as a new job for the same user; free unless `charged`, at
    today's price.

    Returns the new job. It waits in line, but the limit of active jobs does not apply. Raises
    JobStillActive, AlreadyRerun, InputImagesDeleted, ModelRetired, ModelUnavailable, AccountClosed,
    InsufficientTokens, and VideoJob.DoesNotExist if the job was deleted meanwhile.
    """
    with transaction.atomic():
        source = _ended(job)
        if source.has_input_images:
            raise InputImagesDeleted
        if source.model not in MODELS:
            raise ModelRetired(source.model)
        rerun = _new_rerun(source, now)
        _charge(rerun, charged)
        model_availability.admit(job=rerun, now=now)
        lifecycle.create(job=rerun, now=now)
        _log_rerun(source, rerun, "Retried", actor, reason, now)
        wakeup.wake("submit_due")
    return rerun


def fetch_again(
    *, job: VideoJob, actor: User, reason: str, charged: bool, now: datetime
) -> VideoJob:
    """Fetch the video of an ended job with a new job that polls the same provider operation.

    Returns the new job. Raises JobStillActive, AlreadyRerun (by any job that has the operation and
    is active or succeeded), VideoRemoved, NoOperation, AccountClosed, InsufficientTokens,
    VideoJob.DoesNotExist; ModelRetired if it is charged and has no price any more.
    """
    operation = operations_of(jobs=[job])[job.pk]
    with transaction.atomic():
        if operation:  # by id, so that simultaneous calls lock in the same order
            list(VideoJob.objects.select_for_update().filter(operation=operation).order_by("pk"))
        source = _ended(job)
        if source.video_removed_at:
            raise VideoRemoved
        if not operation:
            raise NoOperation
        alive = VideoJob.objects.filter(status__in=(*ACTIVE, Status.SUCCEEDED))
        if holder := alive.filter(operation=operation).exclude(pk=source.pk).first():
            raise AlreadyRerun(holder)
        rerun = _new_rerun(source, now)
        _charge(rerun, charged)
        lifecycle.create_generating(job=rerun, operation=operation, now=now)
        _log_rerun(source, rerun, "Fetched again", actor, reason, now)
    return rerun


def operations_of(*, jobs: list[VideoJob]) -> dict[UUID, str]:
    """The provider's operation name of each job, by job id; "" if there is none.

    A name that arrived after the job ended is in an event for staff.
    """
    unnamed = [job.pk for job in jobs if not job.operation]
    notes = JobEvent.objects.filter(job__in=unnamed, internal=True)
    late = notes.filter(message=events.ACCEPTED_LATE).order_by("-id")  # the first counts
    names = dict(late.values_list("job_id", "detail"))
    return {job.pk: job.operation or names.get(job.pk, "") for job in jobs}


def _ended(job: VideoJob) -> VideoJob:
    """Lock and return the job. Raise unless it has ended and has no active rerun."""
    locked = VideoJob.objects.select_for_update().get(pk=job.pk)
    if locked.status in ACTIVE:
        raise JobStillActive
    if rerun := locked.reruns.filter(status__in=ACTIVE).first():
        raise AlreadyRerun(rerun)
    return locked


def _new_rerun(source: VideoJob, now: datetime) -> VideoJob:
    """A new, unsaved PENDING job with the same request as `source`."""
    return VideoJob.from_spec(
        source.spec,
        client_reference=source.client_reference,
        webhook_url=source.webhook_url,
        private=source.private,
        origin=source.origin,
        user=source.user,
        rerun_of=source,
        status_message=messages.QUEUED,
        expected_seconds=estimates.expected_seconds(mock_mode=source.mock_mode),
        created_at=now,
        next_step_at=now,
    )


def _charge(rerun: VideoJob, charged: bool) -> None:
    """Lock the account, as every new job does, and charge it if `charged`."""
    account = ledger.lock(user=rerun.user)
    if charged:
        rerun.tokens_consumed = _price(rerun)
        ledger.charge(
            account=account,
            operation=OPERATION,
            tokens=rerun.tokens_consumed,
            reference=str(rerun.pk),
        )


def _price(rerun: VideoJob) -> int:
    try:
        return pricing.tokens(rerun.spec)
    except pricing.NoPrice:
        raise ModelRetired(rerun.model) from None


def _log_rerun(
    source: VideoJob, rerun: VideoJob, what: str, actor: User, reason: str, now: datetime
) -> None:
    events.add_by_staff(actor, rerun, f"{what} from job {source.pk}", reason, now)
    events.add_by_staff(actor, source, f"{what} as job {rerun.pk}", reason, now)
