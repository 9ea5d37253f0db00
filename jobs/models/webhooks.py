"""Webhooks, and one row for each event that is to be sent: the outbox."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import JSONField, Q, Value

MAX_URL_LENGTH = 2_000  # characters


class Webhook(models.Model):
    """Where one user wants events to be sent. `secret` and `previous_secret` are encrypted."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhook"
    )
    url = models.CharField(max_length=MAX_URL_LENGTH)
    events = models.JSONField(help_text="The types of events that are sent.")
    secret = models.TextField(editable=False)
    previous_secret = models.TextField(blank=True, editable=False)
    previous_until = models.DateTimeField(
        null=True, blank=True, help_text="The previous secret signs as well until then."
    )
    older_secrets = models.JSONField(
        default=list,
        db_default=Value([], JSONField()),
        editable=False,
        help_text="Those before the previous one that still sign: each with the time of its end.",
    )
    disabled_reason = models.CharField(
        max_length=200, blank=True, help_text="Why the service switched it off; empty if it is on."
    )
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="The first failure since the last delivery."
    )
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"webhook of {self.user_id}"


class WebhookDelivery(models.Model):
    """One event for one receiver. Its id is the `webhook-id`, and `body` never changes.

    `next_try_at` serves as due time and lease; NULL means that nothing is left to do. There is no
    foreign key to the job, because the end of a deleted job is sent too.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    job_id = models.UUIDField(db_index=True)
    type = models.CharField(max_length=40)
    url = models.CharField(max_length=MAX_URL_LENGTH)
    host = models.CharField(max_length=255, help_text="The URL's host, without its port.")
    from_order = models.BooleanField(help_text="The URL is the order's, not the account's.")
    body = models.TextField()
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    replayed = models.BooleanField(default=False, help_text="It gets one more try, not several.")
    next_try_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The HTTP status of the last try, if there was a response."
    )
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(status="pending", next_try_at__isnull=False)
                | (~Q(status="pending") & Q(next_try_at=None)),
                name="delivery_pending_has_next_try",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(next_try_at__isnull=False),
                name="delivery_next_try",
            ),
            models.Index(
                fields=["user", "host", "next_try_at"],
                condition=Q(next_try_at__isnull=False),
                name="delivery_by_destination",
            ),
            models.Index(
                fields=["user", "-created_at", "-id"], name="delivery_of_user_newest_first"
            ),
            models.Index(
                fields=["user", "-created_at", "-id"],
                condition=~Q(status="delivered"),
                name="delivery_not_delivered",
            ),
            models.Index(fields=["created_at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class WebhookSender(models.Model):
    """A single row: which process sends, and until when. Only one sends at a time, so that the
    limit of open connections to one host holds for the whole installation."""

    holder = models.UUIDField(null=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.holder} until {self.until}"
