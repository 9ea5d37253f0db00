"""The API's errors for the exceptions of jobs and of the ledger."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    ErrorDetail,
    NotFound,
    ValidationError,
)

from jobs import job_creation, lifecycle, model_availability, removals
from jobs.models import VideoJob
from tokens_ledger import key_limit, ledger
from videostudio.core.api.errors import Problem

NO_WEBHOOK = "Webhook URL needs a webhook, whose secret signs the request: make one first"
RETRY_UNKNOWN_WAIT = 30  # seconds, if it is unknown when a job ends


class NotReady(APIException):
    """The job has no video yet, or ended without one."""

    status_code = 400
    default_code = "not_ready"


class IdempotencyKeyReused(ValidationError):
    status_code = 422
    code = "idempotency_mismatch"

    def __init__(self) -> None:
        message = "This Idempotency-Key was used with other content"
        super().__init__({"Idempotency-Key": ErrorDetail(message, self.code)})


def api_exception(exc: Exception) -> Exception:
    """The APIException for a domain exception; other exceptions unchanged."""
    for kind, translate in TRANSLATIONS.items():
        if isinstance(exc, kind):
            return translate(exc)
    return exc


def _insufficient_tokens(exc: ledger.InsufficientTokens) -> Problem:
    message = (
        f"Insufficient tokens. Operation '{exc.operation}' costs {exc.cost} tokens "
        f"but you have {exc.available}."
    )
    detail = {"message": message, "cost": exc.cost, "availableTokens": exc.available}
    more: dict[str, Any] = {"help": settings.TOKENS_HELP} if settings.TOKENS_HELP else {}
    return Problem(402, detail, "insufficient_tokens", **more)


def _too_many_active_jobs(exc: job_creation.TooManyActiveJobs) -> Problem:
    return Problem(
        429,
        f"Maximum {exc.limit} concurrent video jobs allowed. "
        "Please wait for existing jobs to complete.",
        "too_many_active_jobs",
        headers={"Retry-After": str(exc.wait_seconds or RETRY_UNKNOWN_WAIT)},
        activeJobs=exc.active,
        limit=exc.limit,
        estimatedWaitSeconds=exc.wait_seconds,
    )


def _key_limit_reached(exc: key_limit.KeyLimitReached) -> Problem:
    return Problem(
        429,
        f"This API key may spend {exc.limit} tokens a day (UTC), and has {exc.left} left.",
        "key_limit_reached",
        headers={"Retry-After": str(exc.wait_seconds)},
    )


def _model_unavailable(exc: model_availability.ModelUnavailable) -> Problem:
    return Problem(
        503,
        f"Google does not offer model '{exc.model}' at the moment. Nothing was charged. "
        "Choose a model that is available in GET /api/v1/video-models.",
        "model_unavailable",
        headers={"Retry-After": str(exc.wait_seconds or RETRY_UNKNOWN_WAIT)},
    )


TRANSLATIONS: dict[type[Exception], Callable[[Any], APIException]] = {
    ledger.AccountClosed: lambda exc: AuthenticationFailed(str(exc), "user_inactive"),
    ledger.InsufficientTokens: _insufficient_tokens,
    model_availability.ModelUnavailable: _model_unavailable,
    key_limit.KeyLimitReached: _key_limit_reached,
    job_creation.TooManyActiveJobs: _too_many_active_jobs,
    job_creation.IdempotencyMismatch: lambda exc: IdempotencyKeyReused(),
    job_creation.WebhookRequired: lambda exc: ValidationError(
        {"webhookUrl": ErrorDetail(NO_WEBHOOK, "no_webhook")}
    ),
    job_creation.JobDeleted: lambda exc: NotFound(),
    VideoJob.DoesNotExist: lambda exc: NotFound(),  # deleted during this request
    removals.StillActive: lambda exc: Problem(409, "The video is not ready yet", "not_ready"),
    removals.NoVideo: lambda exc: NotFound("The job has no video"),
    lifecycle.AlreadyFinished: lambda exc: Problem(
        409, "The job has already finished.", "already_finished"
    ),
}
