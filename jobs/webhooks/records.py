"""The rows of deliveries, for the sender: claim what is due, record what happened."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DataError, IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Least
from django.utils import timezone

from jobs.models import Webhook, WebhookDelivery
from jobs.stats import counters
from jobs.webhooks import outbox, registry, schedule
from jobs.webhooks.destinations import Destination
from jobs.webhooks.sending import Outcome

logger = logging.getLogger(__name__)

GONE = 410
MAX_ATTEMPTS = 30_000  # counted; more replays are made and not counted
NO_WEBHOOK = registry.DELETED
DEACTIVATED = "The account is deactivated."  # tried later: it may be reactivated
SWITCHED_OFF_BY_RECEIVER = "The receiver answered 410."
SWITCHED_OFF_AFTER_FAILURES = "Every delivery of a week failed."
Status = WebhookDelivery.Status


def is_due(*, now: datetime) -> bool:
    return WebhookDelivery.objects.filter(next_try_at__lte=now).exists()


def claim(*, destination: Destination, limit: int, now: datetime, lease: timedelta) -> list[UUID]:
    """Lease due deliveries of `destination` to the caller, those due longest first."""
    user, host = destination
    due = WebhookDelivery.objects.filter(user_id=user, host=host, next_try_at__lte=now)
    with transaction.atomic():
        rows = due.select_for_update(skip_locked=True).order_by("next_try_at")
        ids = [*rows.values_list("pk", flat=True)[:limit]]
        WebhookDelivery.objects.filter(pk__in=ids).update(next_try_at=now + lease)
    return ids


def renew(*, ids: Collection[UUID], until: datetime) -> None:
    """Extend leases, except those of rows that others have locked, which keep their lease.

    A transaction that waited for a row while it has locked others could cause a deadlock.
    """
    pending = WebhookDelivery.objects.filter(pk__in=ids, status=Status.PENDING)
    with transaction.atomic():
        free = pending.select_for_update(skip_locked=True).values_list("pk", flat=True)
        WebhookDelivery.objects.filter(pk__in=[*free]).update(next_try_at=until)


def give_back(*, ids: Sequence[UUID], now: datetime) -> None:
    """Make deliveries due again that were claimed and not tried."""
    renew(ids=ids, until=now)


def write(ended: Sequence[tuple[WebhookDelivery, Outcome]], *, now: datetime) -> None:
    """Record the outcomes of tries, and what they mean for the webhooks."""
    with transaction.atomic():
        # A request that changes a webhook takes the same lock first. Without it, the two would lock
        # the rows of the webhook and of its deliveries in opposite order.
        registry.lock(users={delivery.user_id for delivery, _ in ended})
        for delivery, outcome in ended:
            _write(delivery, outcome, now)


def _write(delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    """An outcome that cannot be written must not block the others or be tried without end."""
    try:
        with transaction.atomic():
            if outcome.is_success:
                _write_success(delivery, outcome)
            else:
                _write_failure(delivery, outcome, now)
    except (DataError, IntegrityError):
        logger.exception("cannot write the outcome of delivery %s", delivery.pk)
        _pending(delivery.pk).update(
            status=Status.FAILED, next_try_at=None, last_error="The outcome could not be written."
        )


def current(pk: UUID) -> WebhookDelivery | None:
    """The row as it is now, with its user and webhook; None if it is not to be sent now."""
    delivery = _pending(pk).select_related("user__webhook").first()
    if delivery is None or not (url := _new_url(delivery)):
        return delivery
    _pending(pk).update(url=url, host=outbox.host(url), next_try_at=timezone.now())
    return None


def _new_url(delivery: WebhookDelivery) -> str:
    """The webhook's URL if the job ended while its user changed it, else "". A replay goes to the
    URL of its row."""
    webhook = getattr(delivery.user, "webhook", None)
    if webhook is None or delivery.from_order or delivery.replayed:
        return ""
    return "" if delivery.url == webhook.url else webhook.url


def _write_success(delivery: WebhookDelivery, outcome: Outcome) -> None:
    changed = _pending(delivery.pk).update(
        status=Status.DELIVERED,
        next_try_at=None,
        attempts=Least(F("attempts") + 1, MAX_ATTEMPTS),
        last_status=outcome.status,
        last_error="",
    )
    if changed:
        counters.inc(name=counters.WEBHOOKS, kind=Status.DELIVERED, value="")
    if not delivery.from_order:
        Webhook.objects.filter(user_id=delivery.user_id, failing_since__isnull=False).update(
            failing_since=None
        )


def _write_failure(delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    delay = schedule.delay_after(delivery.attempts + 1, retry_after=outcome.retry_after)
    if delivery.replayed or outcome.status == GONE or outcome.error == NO_WEBHOOK:
        delay = None
    changed = _pending(delivery.pk).update(
        status=Status.PENDING if delay else Status.FAILED,
        next_try_at=now + delay if delay else None,
        attempts=Least(F("attempts") + 1, MAX_ATTEMPTS),
        last_status=outcome.status,
        last_error=outcome.error,
    )
    if changed and delay is None:
        counters.inc(name=counters.WEBHOOKS, kind=Status.FAILED, value="")
        logger.warning(
            "webhook delivery failed",
            extra={"delivery": str(delivery.pk), "job": str(delivery.job_id)},
        )
    if not delivery.from_order and outcome.error != DEACTIVATED:
        _count_failure(delivery, outcome, now)


def _count_failure(delivery: WebhookDelivery, outcome: Outcome, now: datetime) -> None:
    """Switch the webhook off after 410, or after a week without a success."""
    webhook = Webhook.objects.filter(user_id=delivery.user_id, disabled_reason="").first()
    if webhook is None or webhook.url != delivery.url:  # the user has set another URL since
        return
    if outcome.status == GONE:
        registry.switch_off(webhook=webhook, reason=SWITCHED_OFF_BY_RECEIVER)
    elif delivery.replayed:
        return
    elif webhook.failing_since is None:
        Webhook.objects.filter(pk=webhook.pk).update(failing_since=now)
    elif now - webhook.failing_since >= schedule.FAILING_LIMIT:
        registry.switch_off(webhook=webhook, reason=SWITCHED_OFF_AFTER_FAILURES)


def _pending(pk: UUID) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(pk=pk, status=Status.PENDING)
