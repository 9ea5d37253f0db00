"""Map a step's error to the job's failure, or to None if the step is to be retried."""

import logging
from dataclasses import replace
from datetime import datetime

from jobs.failures import INTERNAL, Failure
from jobs.models import UnavailableModel, VideoJob
from jobs.providers import base
from jobs.providers.base import NotConfigured, ProviderError
from jobs.storage.base import StorageError
from jobs.storage.mp4 import NotAVideo

logger = logging.getLogger(__name__)

MAX_TRIES_UNAVAILABLE = 10  # submissions that the provider answers with "unavailable", about 6 min
MAX_TRIES_NOT_A_VIDEO = 3

UNKNOWN_SUBMISSION = Failure(*base.UNKNOWN_SUBMISSION)
MODEL_MISSING = Failure(*base.MODEL_MISSING)
NOT_CONFIGURED = Failure(
    code="provider.not_configured", message="Google Veo is not set up on this server."
)
TOO_LATE = Failure(code="provider.timeout", message="Google Veo did not deliver the video in time.")
DAMAGED = Failure(code="provider.unavailable", message="Google Veo delivered a damaged video.")
NOT_STORED = Failure(code="storage.failed", message="The finished video could not be stored.")

# The failure of a job that was retried until its deadline, by the type of the last error.
AT_DEADLINE: dict[type[BaseException], Failure] = {
    ProviderError: TOO_LATE,
    NotAVideo: TOO_LATE,
    StorageError: NOT_STORED,
    NotConfigured: NOT_CONFIGURED,
}


def of_submission(job: VideoJob, error: BaseException) -> Failure | None:
    """None only if the provider reports that it accepted nothing and may accept it later."""
    if isinstance(error, NotConfigured):
        return replace(NOT_CONFIGURED, detail=str(error))
    if not isinstance(error, ProviderError):
        return replace(UNKNOWN_SUBMISSION, detail=f"{type(error).__name__}: {error}")
    if error.retryable and (error.throttled or job.failure_count + 1 < MAX_TRIES_UNAVAILABLE):
        return None
    return Failure.of(error)


def of_missing_model(row: UnavailableModel) -> Failure:
    """For a job that waited while Google removed its model. Nothing was sent."""
    detail = f"not sent: Google has not had {row.google_id} since {row.since:%Y-%m-%d %H:%M}Z"
    return replace(MODEL_MISSING, detail=detail)


def of_paid_step(job: VideoJob, error: BaseException, now: datetime) -> Failure | None:
    """For a poll or an upload, which are retried until the job's deadline.

    Storing has its own deadline, because the provider charges for the video.
    """
    detail = str(error)
    if isinstance(error, ProviderError) and not error.retryable:
        return Failure.of(error)
    if isinstance(error, StorageError) and not error.retryable:
        return replace(NOT_STORED, detail=detail)
    if isinstance(error, NotAVideo) and job.failure_count + 1 >= MAX_TRIES_NOT_A_VIDEO:
        return replace(DAMAGED, detail=detail)
    if is_too_late(job, now):
        return replace(AT_DEADLINE.get(type(error), INTERNAL), detail=detail)
    return None


def is_too_late(job: VideoJob, now: datetime) -> bool:
    """Whether the job is past its deadline. Check this only after an answer has arrived: after an
    outage of all workers, a job past its deadline still gets a video that was made meanwhile."""
    return bool(job.deadline_at and job.deadline_at <= now)


def report(what: str, job: VideoJob, error: BaseException) -> None:
    """Log errors of our own; errors of the provider or the storage are in the job's events."""
    extra = {"job": str(job.pk)}
    if isinstance(error, NotConfigured):
        logger.error("a provider is not configured", extra=extra)
    elif isinstance(error, StorageError) and error.needs_operator:
        if job.failure_count == 0:
            logger.error("a video cannot be stored until the operator acts", extra=extra)
    elif type(error) not in AT_DEADLINE:
        logger.error("%s failed unexpectedly", what, exc_info=error, extra=extra)
