"""The OpenAPI documentation of webhooks."""

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from jobs.api.schema_examples import CURSOR, ID, WEBHOOK_URL
from jobs.api.webhook_serializers import (
    DeliveriesQuerySerializer,
    DeliveryListSerializer,
    DeliverySerializer,
    OutcomeSerializer,
    PutWebhookSerializer,
    WebhookSerializer,
    WebhookWithSecretSerializer,
)
from jobs.webhooks.outbox import EVENTS
from videostudio.core.api.openapi import (
    JSON,
    READ_ONLY_KEY,
    RETRY_AFTER,
    UNAUTHORIZED,
    UNKNOWN,
    answer,
    at_fault,
    rate_limits,
    refused,
    sent,
)

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
DELIVERY_ID = OpenApiParameter(
    "id", str, location="path", description="The delivery's id, its `webhook-id`."
)

put = extend_schema(
    operation_id="putWebhook",
    summary="Set your webhook",
    description="The end of each job is sent to this URL: a POST of "
    "`{type, timestamp, data}`, where `data` is the job without its logs, signed as Standard "
    "Webhooks 1.0. The first call makes the webhook and returns its secret, once. A later call "
    "changes the URL and the events, keeps the secret, and switches the webhook on again.",
    request={JSON: PutWebhookSerializer},
    examples=[
        sent({"url": WEBHOOK["url"]}, "All events"),
        sent({"url": WEBHOOK["url"], "events": ["video_job.failed"]}, "Failures only"),
    ],
    responses={
        200: answer(WebhookSerializer, "The changed webhook.", WEBHOOK, "A webhook"),
        201: answer(
            WebhookWithSecretSerializer, "The new webhook.", WITH_SECRET, "A webhook and its secret"
        ),
        400: at_fault(
            "The request is invalid.",
            code="invalid",
            faults=[("url", "URL must begin with https://", "url")],
        ),
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
    },
)
retrieve = extend_schema(
    operation_id="getWebhook",
    summary="Get your webhook",
    description="Without its secret. `disabledReason` says why the service switched it off.",
    responses={
        200: answer(WebhookSerializer, "Your webhook.", WEBHOOK, "A webhook"),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        404: NO_WEBHOOK,
    },
)
destroy = extend_schema(
    operation_id="deleteWebhook",
    summary="Delete your webhook",
    description="With its secret: what was not delivered yet is not sent any more.",
    responses={
        204: OpenApiResponse(description="Deleted."),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        404: NO_WEBHOOK,
    },
)
rotate = extend_schema(
    operation_id="rotateWebhookSecret",
    summary="Get a new secret",
    description="Returns a new secret, once. For 24 hours the old one signs beside it, so that "
    "receivers can be changed one after the other. At most 5 a day.",
    request=None,
    parameters=[RETRY_AFTER, *rate_limits(200, 400, 404, 429)],
    responses={
        200: answer(
            WebhookWithSecretSerializer, "With the new secret.", WITH_SECRET, "A new secret"
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        404: NO_WEBHOOK,
        429: refused(
            "Too many rotations.",
            throttled="At most 5 new webhook secrets of one user are allowed in a day. Try again "
            "in 57600 seconds.",
        ),
    },
)
test = extend_schema(
    operation_id="testWebhook",
    summary="Test your webhook",
    description="Sends `webhook.test` now, once, and returns what happened. Also while the webhook "
    "is switched off.",
    request=None,
    parameters=[RETRY_AFTER, *rate_limits(200, 400, 404, 409, 429)],
    responses={
        200: answer(
            OutcomeSerializer,
            "What happened.",
            {"status": 204, "milliseconds": 87, "error": None},
            "The receiver took it",
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        404: NO_WEBHOOK,
        409: refused(
            "The operator has changed the key that encrypts secrets.",
            secret_unreadable="The webhook's secret cannot be read any more: make a new one by "
            "rotate.",
        ),
        429: refused(
            "Too many tests.",
            throttled="At most 10 webhook tests of one user are allowed in a minute. Try again in "
            "60 seconds.",
        ),
    },
)
deliveries = extend_schema(
    operation_id="listWebhookDeliveries",
    summary="List the deliveries",
    description="Of the last 30 days, newest first. Tests are not among them.",
    parameters=[DeliveriesQuerySerializer],
    responses={
        200: answer(
            DeliveryListSerializer,
            "A page of deliveries.",
            {"deliveries": [DELIVERY], "nextCursor": CURSOR, "hasMore": True},
            "The first page",
        ),
        400: at_fault(
            "The query is invalid.",
            code="invalid",
            faults=[("status", STATUS_FAULT, "invalid_choice")],
        ),
        401: UNAUTHORIZED,
        404: NO_WEBHOOK,
    },
)
replay = extend_schema(
    operation_id="replayWebhookDelivery",
    summary="Send a delivery again",
    description="One more try, now, whatever the status: the same id and body, a new timestamp. "
    "The list of deliveries says what came of it.",
    request=None,
    parameters=[DELIVERY_ID, RETRY_AFTER, *rate_limits(202, 400, 404, 429)],
    responses={
        202: answer(
            DeliverySerializer,
            "The delivery, now `pending`.",
            DELIVERY
            | {"status": "pending", "lastStatus": 500, "lastError": "The receiver answered 500."},
            "A delivery that failed",
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        404: refused("You have no such delivery, or no webhook.", not_found="Not found."),
        429: refused(
            "Too many replays.",
            throttled="At most 60 webhook replays of one user are allowed in a minute. Try again "
            "in 60 seconds.",
        ),
    },
)
