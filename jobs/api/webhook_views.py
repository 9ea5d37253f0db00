"""The user's webhook and its deliveries. Without a webhook every call but PUT is 404."""

from threading import BoundedSemaphore
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from jobs.api import webhook_schema
from jobs.api.throttling import WebhookReplayThrottle, WebhookRotateThrottle, WebhookTestThrottle
from jobs.api.webhook_serializers import (
    DeliveriesQuerySerializer,
    PutWebhookSerializer,
    WebhookDeliveryListSerializer,
    WebhookDeliverySerializer,
    WebhookSerializer,
    WebhookTestSerializer,
)
from jobs.models import Webhook, WebhookDelivery
from jobs.webhooks import registry, secrets
from jobs.webhooks.outbox import EVENTS
from videostudio.core.api.errors import Problem
from videostudio.core.api.pagination import cursor_of, older_than
from videostudio.core.api.strict import StrictView, id_in_path, read

# A test waits up to 15 seconds for the receiver: it must not occupy all threads of the process.
_open_tests = BoundedSemaphore(2)


@extend_schema(tags=["webhook"])
class WebhookViewSet(StrictView, ViewSet):
    query_serializers = {"deliveries": DeliveriesQuerySerializer}
    reads_body = {"update"}
    noun = "delivery"
    throttles_of = {
        "test": WebhookTestThrottle,
        "rotate": WebhookRotateThrottle,
        "replay": WebhookReplayThrottle,
    }

    def webhook(self) -> Webhook:
        webhook = registry.of(self.request.user)
        if webhook is None:
            raise NotFound
        return webhook

    @webhook_schema.put
    def update(self, request: Request) -> Response:
        form = read(PutWebhookSerializer, request.data)
        webhook, secret = registry.put(
            user=request.user,
            url=form["url"],
            events=form.get("events") or EVENTS,
            now=timezone.now(),
        )
        if secret is None:
            return Response(WebhookSerializer(webhook).data)
        return Response(WebhookSerializer(webhook).data | {"secret": secret}, status=201)

    @webhook_schema.retrieve
    def retrieve(self, request: Request) -> Response:
        return Response(WebhookSerializer(self.webhook()).data)

    @webhook_schema.destroy
    def destroy(self, request: Request) -> Response:
        registry.delete(webhook=self.webhook())
        return Response(status=204)

    @webhook_schema.rotate
    def rotate(self, request: Request) -> Response:
        webhook = self.webhook()
        try:
            secret = registry.rotate(webhook=webhook, now=timezone.now())
        except Webhook.DoesNotExist:  # deleted meanwhile
            raise NotFound from None
        return Response(WebhookSerializer(webhook).data | {"secret": secret})

    @webhook_schema.test
    def test(self, request: Request) -> Response:
        webhook = self.webhook()
        if not _open_tests.acquire(blocking=False):
            message = "Other webhooks are being tested at the moment. Try again in 15 seconds."
            raise Problem(429, message, "throttled", headers={"Retry-After": "15"})
        try:
            outcome = registry.send_test(webhook=webhook)
        except secrets.UnreadableSecret:
            message = "The webhook's secret can no longer be read: make a new one with rotate."
            raise Problem(409, message, "secret_unreadable") from None
        finally:
            _open_tests.release()
        return Response(WebhookTestSerializer(outcome).data)

    @webhook_schema.deliveries
    def deliveries(self, request: Request) -> Response:
        self.webhook()
        limit = self.query["limit"]
        found = list(_deliveries(request.user, self.query)[: limit + 1])
        shown, more = found[:limit], len(found) > limit
        cursor = cursor_of(shown[-1], self.query["filters"]) if more else None
        page = {"deliveries": shown, "nextCursor": cursor, "hasMore": more}
        return Response(WebhookDeliveryListSerializer(page).data)

    @webhook_schema.replay
    def replay(self, request: Request, pk: str) -> Response:
        self.webhook()
        delivery = registry.delivery_of(user=request.user, pk=id_in_path(pk))
        if delivery is None:
            raise NotFound
        delivery = registry.replay(delivery=delivery, now=timezone.now())
        return Response(WebhookDeliverySerializer(delivery).data, status=202)


def _deliveries(user: Any, query: Any) -> Any:
    rows = WebhookDelivery.objects.filter(user=user).order_by("-created_at", "-id").defer("body")
    if statuses := query.get("status"):
        rows = rows.filter(status__in=statuses)
    if after := query.get("after"):
        rows = rows.filter(older_than(*after.position))
    return rows
