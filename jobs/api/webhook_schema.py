"""The OpenAPI documentation of webhooks."""

from drf_spectacular.utils import OpenApiResponse, extend_schema

from jobs.api import webhook_serializers as serializers
from jobs.api.schema_examples import CURSOR, ID, WEBHOOK_URL
from jobs.webhooks.outbox import EVENTS
from videostudio.core.api.openapi import answer, at_fault, refused, sent

NO_WEBHOOK = refused("You have no webhook.", not_found="Not found.")
WEBHOOK = {
    "url": WEBHOOK_URL,
    "events": [*EVENTS],
    "disabledReason": None,
    "createdAt": "2026-01-15T10:30:00Z",
}
WITH_SECRET = WEBHOOK | {"secret": "whsec_bm90IGEgcmVhbCBzZWNyZXQsIG9ubHkgYW4gZXhhbXBsZQ=="}
DELIVERY = {
    "id": "0b6c5a0e-7a58-4a38-9f0a-3b7a6f1d2c11",
    "type": "video_job.succeeded",
    "jobId": ID,
    "url": WEBHOOK["url"],
    "status": "delivered",
    "attempts": 1,
    "lastStatus": 204,
    "lastError": None,
    "createdAt": "2026-01-15T10:31:40Z",
}
STATUS_FAULT = (
    "Status (one or several, separated by commas) must be 'pending', 'delivered' or 'failed'"
)

put = extend_schema(
    operation_id="putWebhook",
    summary="Set your webhook",
    description="When a job ends, the service sends an event to this URL: a POST of "
    "`{type, timestamp, data}`, where `data` is the job without its logs, signed as Standard "
    "Webhooks 1.0. The first call makes the webhook and returns its secret, once. A later call "
    "changes the URL and the events, keeps the secret, and switches the webhook on again.",
    request=serializers.PutWebhookSerializer,
    examples=[
        sent({"url": WEBHOOK["url"]}, "All events"),
        sent({"url": WEBHOOK["url"], "events": ["video_job.failed"]}, "Failures only"),
    ],
    responses={
        200: answer(serializers.WebhookSerializer, "The changed webhook.", WEBHOOK),
        201: answer(serializers.WebhookWithSecretSerializer, "The new webhook.", WITH_SECRET),
        400: at_fault("The request is invalid.", ("url", "URL must begin with https://", "url")),
    },
)
retrieve = extend_schema(
    operation_id="getWebhook",
    summary="Get your webhook",
    description="Without its secret. `disabledReason` says why the service switched it off.",
    responses={
        200: answer(serializers.WebhookSerializer, "Your webhook.", WEBHOOK),
        404: NO_WEBHOOK,
    },
)
destroy = extend_schema(
    operation_id="deleteWebhook",
    summary="Delete your webhook",
    description="Deletes the webhook and its secret. Undelivered events are not sent.",
    responses={204: OpenApiResponse(description="Deleted."), 404: NO_WEBHOOK},
)
rotate = extend_schema(
    operation_id="rotateWebhookSecret",
    summary="Get a new secret",
    description="Returns a new secret, once. For 24 hours the old one signs too, so that you can "
    "change receivers one after the other. At most 5 a day.",
    responses={
        200: answer(serializers.WebhookWithSecretSerializer, "With the new secret.", WITH_SECRET),
        404: NO_WEBHOOK,
    },
)
test = extend_schema(
    operation_id="testWebhook",
    summary="Test your webhook",
    description="Sends `webhook.test` now, once, and returns the result, also while the webhook "
    "is switched off.",
    responses={
        200: answer(
            serializers.WebhookTestSerializer,
            "The result of the test.",
            {"status": 204, "milliseconds": 87, "error": None},
        ),
        404: NO_WEBHOOK,
        409: refused(
            "The operator has changed the key that encrypts secrets.",
            secret_unreadable="The webhook's secret can no longer be read: make a new one with "
            "rotate.",
        ),
    },
)
deliveries = extend_schema(
    operation_id="listWebhookDeliveries",
    summary="List the deliveries",
    description="Of the last 30 days, newest first. Tests are not among them.",
    responses={
        200: answer(
            serializers.WebhookDeliveryListSerializer,
            "A page of deliveries.",
            {"deliveries": [DELIVERY], "nextCursor": CURSOR, "hasMore": True},
        ),
        400: at_fault("The query is invalid.", ("status", STATUS_FAULT, "invalid_choice")),
        404: NO_WEBHOOK,
    },
)
replay = extend_schema(
    operation_id="replayWebhookDelivery",
    summary="Send a delivery again",
    description="Sends the event once more, now, with the same id and body and a new timestamp. "
    "The list of deliveries shows the result.",
    responses={
        202: answer(
            serializers.WebhookDeliverySerializer,
            "The delivery, now `pending`.",
            DELIVERY
            | {"status": "pending", "lastStatus": 500, "lastError": "The receiver answered 500."},
        ),
        404: refused("You have no such delivery, or no webhook.", not_found="Not found."),
    },
)
