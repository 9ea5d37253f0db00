"""Create a job: once for each idempotency key, within the user's limit, and charged."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, UUIDField

from accounts.models import ApiKey
from jobs import lifecycle, messages, model_availability, pricing, stored_images, wakeup
from jobs.catalog import OPERATION, VideoSpec
from jobs.models import HELD, IdempotencyKey, JobEvent, VideoJob
from jobs.providers.base import Inputs
from jobs.stats import estimates, waiting_line
from jobs.webhooks import registry
from tokens_ledger import key_limit, ledger
from videostudio.core.compiled_query import CompiledQuery, Param

IDEMPOTENCY_RETENTION = timedelta(hours=24)
NUMBER_OF_ACTIVE_JOBS = CompiledQuery(
    lambda: (
        VideoJob.objects.active()
        .filter(user=Param("user", UUIDField()))
        .values("user")
        .annotate(number=Count("*"))
        .values_list("number")
    )
)


@dataclass(eq=False, kw_only=True)
class TooManyActiveJobs(Exception):
    """The user has `active` of `limit` jobs. One should end in `wait_seconds`; None if unknown."""

    active: int
    limit: int
    wait_seconds: int | None


@dataclass(frozen=True)
class CreatedJob:
    """The job of a request. `log` and `position` (in the line) are set only for a new job."""

    job: VideoJob
    log: list[JobEvent] | None = None
    position: int | None = None


@dataclass(frozen=True)
class Quote:
    """The price of an order, and the user's balance."""

    tokens: int
    available_tokens: int

    @property
    def affordable(self) -> bool:
        return self.tokens <= self.available_tokens


class IdempotencyMismatch(Exception):
    """The key was used for another request."""


class WebhookRequired(Exception):
    """The job has a `webhook_url`, but its user has no webhook, whose secret signs."""


class JobDeleted(Exception):
    """The job that was created with this key has been deleted."""


def create(
    *,
    user: Any,
    spec: VideoSpec,
    inputs: Inputs,
    now: datetime,
    client_reference: str = "",
    webhook_url: str = "",
    private: bool = False,
    origin: str = "",
    api_key: ApiKey | None = None,
    idempotency_key: str = "",
    fingerprint: str = "",
) -> CreatedJob:
    """Create the job with its images, charge and wake-up in one transaction.

    `origin` is the scheme and host of the request, for absolute URLs in what a webhook sends.

    The lock on the user's account serializes simultaneous requests of one user; the limit and the
    idempotency key depend on that. `api_key` is the key that the client sent, if any. Raises
    WebhookRequired, ModelUnavailable, AccountClosed, InsufficientTokens, KeyLimitReached,
    TooManyActiveJobs, IdempotencyMismatch, JobDeleted.
    """
    with transaction.atomic():
        account = ledger.lock(user=user)
        if idempotency_key and (earlier := _earlier(user, idempotency_key, fingerprint, now)):
            return CreatedJob(earlier)
        _check_webhook(user, webhook_url)
        job = _new_job(user, spec, api_key, now)
        job.client_reference, job.webhook_url, job.origin = client_reference, webhook_url, origin
        job.private = private
        model_availability.admit(job=job, now=now)
        charge = ledger.charge(
            account=account,
            operation=OPERATION,
            tokens=job.tokens_consumed,
            reference=str(job.pk),
            api_key=api_key.pk if api_key else None,
        )
        if charge and api_key and api_key.daily_token_limit is not None:
            limit = api_key.daily_token_limit
            key_limit.check(charge=charge, key=api_key.pk, limit=limit)
        _check_active_jobs(user, now)
        event = lifecycle.create(job=job, now=now)
        stored_images.save(job=job, inputs=inputs)
        if idempotency_key:
            IdempotencyKey.objects.create(
                user=user,
                key=idempotency_key,
                fingerprint=fingerprint,
                job_id=job.pk,
                created_at=now,
            )
        wakeup.wake("submit_due")
    # A worker may have started the job meanwhile.
    position = waiting_line.positions([job]).get(job.pk, 0)
    return CreatedJob(job, [event], position)


def quote(*, user: Any, spec: VideoSpec, webhook_url: str = "") -> Quote:
    """What `create` would charge now. Writes nothing. Raises WebhookRequired."""
    _check_webhook(user, webhook_url)
    return Quote(tokens=pricing.tokens(spec), available_tokens=ledger.balance(user=user))


def _check_webhook(user: Any, webhook_url: str) -> None:
    if webhook_url and registry.of(user) is None:
        raise WebhookRequired


def _earlier(user: Any, key: str, fingerprint: str, now: datetime) -> VideoJob | None:
    row = IdempotencyKey.objects.filter(user=user, key=key).first()
    if row is None:
        return None
    if row.created_at < now - IDEMPOTENCY_RETENTION:
        row.delete()
        return None
    if row.fingerprint != fingerprint:
        raise IdempotencyMismatch(key)
    job = VideoJob.objects.filter(pk=row.job_id).first()
    if job is None:
        raise JobDeleted(key)
    return job


def _new_job(user: Any, spec: VideoSpec, api_key: ApiKey | None, now: datetime) -> VideoJob:
    return VideoJob.from_spec(
        spec,
        user=user,
        api_key_prefix=api_key.prefix if api_key else "",
        status_message=messages.QUEUED,
        tokens_consumed=pricing.tokens(spec),
        expected_seconds=estimates.expected_seconds(mock_mode=spec.mock_mode),
        created_at=now,
        next_step_at=now,
    )


def max_active_jobs() -> int:
    """How many of a user's jobs may run or wait at a time."""
    limit: int = settings.VIDEO_MAX_ACTIVE_JOBS + settings.VIDEO_MAX_WAITING_JOBS
    return limit


def _check_active_jobs(user: Any, now: datetime) -> None:
    """Raise TooManyActiveJobs if the user is at the limit of active jobs."""
    limit = max_active_jobs()
    active = sum(number for (number,) in NUMBER_OF_ACTIVE_JOBS.rows(user=user.pk))
    if active < limit:
        return
    others = VideoJob.objects.for_user(user).active()
    waits = [
        estimates.remaining_seconds(job=other, queue_position=0, now=now)
        for other in others
        if other.next_step_at != HELD
    ]
    known = [wait for wait in waits if wait is not None]
    raise TooManyActiveJobs(active=active, limit=limit, wait_seconds=min(known) if known else None)
