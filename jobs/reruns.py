"""What staff have done again for a customer: always as a new job, since no job leaves its end."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from jobs import events, lifecycle, messages, wakeup
from jobs.catalog import MODELS, OPERATION
from jobs.models import ACTIVE, JobEvent, Status, VideoJob
from jobs.stats import estimates
from tokens_ledger import ledger


class JobStillActive(Exception):
    """The job has not ended: there is nothing to do again yet."""


class AlreadyRerun(Exception):
    """Another job, the first argument, is doing or has done what was asked for."""


class InputImagesDeleted(Exception):
    """The job had images, which went when it ended."""


class ModelRetired(Exception):
    """The job's model is not in the catalog any more."""


class NoOperation(Exception):
    """Nobody knows a name under which the provider would know the job's video."""


def retry(*, job: VideoJob, actor: User, reason: str, charged: bool, now: datetime) -> VideoJob:
    """VideoSpec for the same user what an ended job asked for; unless `charged`, for nothing.

    Returns the new job, which waits its turn but is not held to the user's limit. Raises
    JobStillActive, AlreadyRerun, InputImagesDeleted, ModelRetired, InsufficientTokens, and
    VideoJob.DoesNotExist where the job was deleted meanwhile.
    """
    with transaction.atomic():
        source = _ended(job)
        if source.has_input_images:
            raise InputImagesDeleted
        if source.model not in MODELS:
            raise ModelRetired(source.model)
        again = _again(source, now)
        _charge_again(again, charged)
        lifecycle.create(job=again, now=now)
        _log_again(source, again, "Retried", actor, reason, now)
        wakeup.wake("submit_due")
    return again


def fetch_again(
    *, job: VideoJob, actor: User, reason: str, charged: bool, now: datetime
) -> VideoJob:
    """Fetch the video of an ended job by a new one, which begins with the provider's operation.

    Returns the new job. Raises JobStillActive, AlreadyRerun (by any job that has the operation and
    is active or succeeded), NoOperation, InsufficientTokens, VideoJob.DoesNotExist.
    """
    operation = operations_of(jobs=[job])[job.pk]
    with transaction.atomic():
        if operation:  # in the order of their ids: of several at once, each waits its turn
            list(VideoJob.objects.select_for_update().filter(operation=operation).order_by("pk"))
        source = _ended(job)
        if not operation:
            raise NoOperation
        alive = VideoJob.objects.filter(status__in=(*ACTIVE, Status.SUCCEEDED))
        if holder := alive.filter(operation=operation).exclude(pk=source.pk).first():
            raise AlreadyRerun(holder)
        again = _again(source, now)
        _charge_again(again, charged)
        lifecycle.create_generating(job=again, operation=operation, now=now)
        _log_again(source, again, "Fetched again", actor, reason, now)
    return again


def operations_of(*, jobs: list[VideoJob]) -> dict[UUID, str]:
    """The provider's names of the jobs' videos, "" where it gave none, by the jobs' ids.

    One may have come late, as a note for staff.
    """
    unnamed = [job.pk for job in jobs if not job.operation]
    notes = JobEvent.objects.filter(job__in=unnamed, internal=True)
    late = notes.filter(message=events.ACCEPTED_LATE).order_by("-id")  # so the first one wins
    names = dict(late.values_list("job_id", "detail"))
    return {job.pk: job.operation or names.get(job.pk, "") for job in jobs}


def _ended(job: VideoJob) -> VideoJob:
    """The job's row, locked, once it has ended and nothing is doing it again."""
    locked = VideoJob.objects.select_for_update().get(pk=job.pk)
    if locked.status in ACTIVE:
        raise JobStillActive
    if again := locked.reruns.filter(status__in=ACTIVE).first():
        raise AlreadyRerun(again)
    return locked


def _again(source: VideoJob, now: datetime) -> VideoJob:
    """A new, unsaved PENDING job that asks for the same as `source`."""
    return VideoJob.from_spec(
        source.spec,
        user=source.user,
        rerun_of=source,
        status_message=messages.QUEUED,
        expected_seconds=estimates.expected_seconds(mock_mode=source.mock_mode),
        created_at=now,
        next_step_at=now,
    )


def _charge_again(again: VideoJob, charged: bool) -> None:
    """Lock the account, as every order does, and charge it if the customer pays."""
    account = ledger.lock(user=again.user)
    if charged:
        again.tokens_consumed = ledger.cost(OPERATION)
        ledger.charge(account=account, operation=OPERATION, reference=str(again.pk))


def _log_again(
    source: VideoJob, again: VideoJob, what: str, actor: User, reason: str, now: datetime
) -> None:
    events.add_by_staff(actor, again, f"{what} from job {source.pk}", reason, now)
    events.add_by_staff(actor, source, f"{what} as job {again.pk}", reason, now)
