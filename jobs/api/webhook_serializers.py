"""Serializers of the webhook's endpoints."""

from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from jobs.api.fields import WebhookUrlField
from jobs.models import WebhookDelivery
from jobs.webhooks.outbox import EVENTS
from videostudio.core.api.fields import ChoiceField, ChoicesField, TextOrNull, one_of
from videostudio.core.api.pagination import CursorField, LimitSerializer
from videostudio.core.api.strict import StrictSerializer

EVENTS_MESSAGE = f"Events must be a list with at least one of {one_of(EVENTS)}"


class EventsField(serializers.ListField):
    """One or several types of events, without duplicates; null means all."""

    def __init__(self, **kwargs: Any) -> None:
        messages: dict[str, Any] = dict.fromkeys(["not_a_list", "empty"], EVENTS_MESSAGE)
        super().__init__(
            child=ChoiceField("Each of the events", EVENTS),
            allow_empty=False,
            error_messages=messages,
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> list[str]:
        chosen = super().to_internal_value(data)
        return [event for event in EVENTS if event in chosen]


class PutWebhookSerializer(StrictSerializer):
    """Where to send events."""

    url = WebhookUrlField(
        "URL", help_text="An https URL on port 443 or 8443, at most 2,000 characters."
    )
    events = EventsField(
        required=False, allow_null=True, help_text="Which events to send; all if it is left out."
    )


class WebhookSerializer(serializers.Serializer):
    url = serializers.CharField(help_text="Where events are sent.")
    events = serializers.ListField(
        child=serializers.CharField(), help_text="The types of events that are sent."
    )
    disabledReason = TextOrNull(
        source="disabled_reason",
        help_text="Why the service switched it off; null while it is on. PUT switches it on.",
    )
    createdAt = serializers.DateTimeField(source="created_at", help_text="In UTC.")


class WebhookWithSecretSerializer(WebhookSerializer):
    secret = serializers.CharField(
        required=False, help_text="Only when it is new: store it, it is not shown again."
    )


class WebhookTestSerializer(serializers.Serializer):
    status = serializers.IntegerField(
        allow_null=True, help_text="The receiver's HTTP status; null if there was no response."
    )
    milliseconds = serializers.IntegerField(help_text="How long it took.")
    error = TextOrNull(help_text="What went wrong; null if nothing did.")


class WebhookDeliverySerializer(serializers.Serializer):
    id = serializers.UUIDField(help_text="The `webhook-id` of each try.")
    type = serializers.CharField(help_text="The event.")
    jobId = serializers.UUIDField(source="job_id", help_text="The job that ended.")
    url = serializers.CharField(help_text="Where it is sent.")
    status = serializers.ChoiceField(
        choices=WebhookDelivery.Status.choices,
        help_text="`pending` until the receiver answered 2xx, or the last try failed.",
    )
    attempts = serializers.IntegerField(help_text="How many tries have ended.")
    lastStatus = serializers.IntegerField(
        source="last_status",
        allow_null=True,
        help_text="The HTTP status of the last try; null if there was no response.",
    )
    lastError = TextOrNull(
        source="last_error", help_text="What went wrong with the last try; null if nothing did."
    )
    createdAt = serializers.DateTimeField(source="created_at", help_text="When the job ended.")


@extend_schema_serializer(many=False)
class WebhookDeliveryListSerializer(serializers.Serializer):
    deliveries = WebhookDeliverySerializer(many=True, help_text="Newest first.")
    nextCursor = serializers.CharField(
        allow_null=True, help_text="For `after`: the next page; null on the last page."
    )
    hasMore = serializers.BooleanField(help_text="Whether there is a next page.")


class DeliveriesQuerySerializer(LimitSerializer):
    status = ChoicesField(
        "Status",
        WebhookDelivery.Status.values,
        required=False,
        help_text="One or several statuses, separated by commas: `pending,failed`.",
    )
    after = CursorField(
        datetime, UUID, required=False, help_text="The `nextCursor` of the previous page."
    )
