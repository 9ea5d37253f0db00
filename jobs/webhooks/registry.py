"""Users' webhooks and their deliveries: changes by users and staff, and look-ups."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from jobs import events
from jobs.models import VideoJob, Webhook, WebhookDelivery
from jobs.webhooks import outbox, secrets, sending

DELETED = "The webhook was deleted."
Status = WebhookDelivery.Status
SECRET_FIELDS = ["secret", "previous_secret", "previous_until", "older_secrets"]


def lock(*, users: Collection[UUID]) -> None:
    """Make other changes of these users' webhooks wait until the transaction ends."""
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=users).order_by("pk")
    list(rows.values_list("pk"))


def put(*, user: Any, url: str, events: Sequence[str], now: datetime) -> tuple[Webhook, str | None]:
    """Make the user's webhook, or change it and switch it on again.

    Returns the secret with a new one, else None. Deliveries to the account's former URL that were
    not made go to the new one.
    """
    with transaction.atomic():
        lock(users=[user.pk])
        webhook, is_new = Webhook.objects.get_or_create(
            user=user,
            defaults={
                "url": url,
                "events": list(events),
                "secret": secrets.encrypt(secret := secrets.new()),
                "created_at": now,
            },
        )
        if is_new:
            return webhook, secret
        webhook.url, webhook.events = url, list(events)
        webhook.disabled_reason, webhook.failing_since = "", None
        webhook.save(update_fields=["url", "events", "disabled_reason", "failing_since"])
        waiting = WebhookDelivery.objects.filter(user=user, from_order=False)
        waiting.exclude(status=Status.DELIVERED).exclude(url=url).update(
            url=url, host=outbox.host(url)
        )
    return webhook, None


def rotate(*, webhook: Webhook, now: datetime) -> str:
    """Give the webhook a new secret and return it; each old one signs as well for a day.

    Raises Webhook.DoesNotExist if it was deleted meanwhile.
    """
    secret = secrets.new()
    with transaction.atomic():
        lock(users=[webhook.user_id])
        locked = Webhook.objects.select_for_update().get(pk=webhook.pk)
        try:
            secrets.of(locked, now=now)
            locked.older_secrets = secrets.retired(locked, now)
            locked.previous_secret = locked.secret
            locked.previous_until = now + secrets.ROTATION
        except secrets.UnreadableSecret:
            locked.older_secrets, locked.previous_secret, locked.previous_until = [], "", None
        locked.secret = secrets.encrypt(secret)
        locked.save(update_fields=SECRET_FIELDS)
    return secret


def reencrypt_all(*, now: datetime) -> tuple[int, int]:
    """Encrypt all secrets under the present SECRET_KEY; how many webhooks were, and were not."""
    keys = list(Webhook.objects.order_by("pk").values_list("pk", flat=True))
    done = sum(_reencrypt(pk, now) for pk in keys)
    return done, len(keys) - done


def _reencrypt(pk: int, now: datetime) -> bool:
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().filter(pk=pk).first()
        if webhook is None:  # deleted meanwhile
            return True
        try:
            secrets.reencrypt(webhook, now=now)
        except secrets.UnreadableSecret:
            return False
        webhook.save(update_fields=SECRET_FIELDS)
        return True


def delete(*, webhook: Webhook) -> None:
    """Delete it, with its secret; undelivered events are not sent."""
    with transaction.atomic():
        lock(users=[webhook.user_id])
        deleted, _ = Webhook.objects.filter(pk=webhook.pk).delete()
        if deleted:  # else by a simultaneous request, and the user may have made another since
            _give_up(WebhookDelivery.objects.filter(user_id=webhook.user_id), DELETED)


def switch_off(*, webhook: Webhook, reason: str) -> None:
    """Send nothing more to the account's URL until the user sets it again."""
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(disabled_reason=reason)
        mine = WebhookDelivery.objects.filter(user_id=webhook.user_id, from_order=False)
        _give_up(mine, f"The webhook was switched off. {reason}"[:200])


def replay(*, delivery: WebhookDelivery, now: datetime) -> WebhookDelivery:
    """Try the delivery once more, now: with the same id and body, to its present URL."""
    rows = WebhookDelivery.objects.filter(pk=delivery.pk)
    rows.exclude(status=Status.PENDING).update(
        status=Status.PENDING, replayed=True, next_try_at=now
    )
    rows.filter(status=Status.PENDING, next_try_at__gt=now, replayed=False).update(next_try_at=now)
    delivery.refresh_from_db()
    return delivery


class NothingToResend(Exception):
    """No delivery of the job has failed, or its owner has no webhook any more."""


def resend(*, job: VideoJob, actor: User, reason: str, now: datetime) -> int:
    """Try the failed deliveries of `job` once more, on behalf of a member of staff.

    Returns their number. Raises NothingToResend.
    """
    with transaction.atomic():
        if not failed_of([job.pk])[job.pk]:
            raise NothingToResend
        failed = WebhookDelivery.objects.filter(job_id=job.pk, status=Status.FAILED)
        for delivery in (deliveries := list(failed)):
            replay(delivery=delivery, now=now)
        events.add_by_staff(actor, job, "Webhook sent again", reason, now)
    return len(deliveries)


def failed_of(ids: Sequence[UUID]) -> Counter[UUID]:
    """How many deliveries of each of these jobs failed and can be sent again."""
    failed = WebhookDelivery.objects.filter(
        job_id__in=ids, status=Status.FAILED, user__webhook__isnull=False
    )
    return Counter(failed.values_list("job_id", flat=True))


def send_test(*, webhook: Webhook) -> sending.Outcome:
    """Send `webhook.test` now, once, outside any transaction. Raises UnreadableSecret."""
    now = timezone.now()
    body = outbox.test_body(now)
    headers = secrets.headers(
        id=str(uuid4()), now=now, body=body, secrets=secrets.of(webhook, now=now)
    )
    return sending.post(url=webhook.url, body=body, headers=headers)


def of(user: Any) -> Webhook | None:
    return Webhook.objects.filter(user=user).first()


def newest_failures(*, user: Any) -> QuerySet[WebhookDelivery]:
    """Deliveries of the last 30 days whose last try failed, newest first."""
    mine = WebhookDelivery.objects.filter(user=user).exclude(status=Status.DELIVERED)
    return mine.exclude(last_error="").order_by("-created_at", "-id").defer("body")


def delivery_of(*, user: Any, pk: UUID) -> WebhookDelivery | None:
    return WebhookDelivery.objects.filter(user=user, pk=pk).first()


def _give_up(deliveries: Any, error: str) -> None:
    deliveries.filter(status=Status.PENDING).update(
        status=Status.FAILED, next_try_at=None, last_error=error
    )
