"""Alice has a webhook at a receiver on this machine."""

from types import SimpleNamespace
from uuid import uuid4

import pytest

from jobs.models import Webhook
from jobs.worker.webhooks import Sender
from tests import receiver as receivers

WEBHOOK = "/api/v1/webhook"


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
    with receivers.receiver() as receiver:
        yield receiver


@pytest.fixture
def put(client):
    """Sets Alice's webhook by the API."""

    def put(url, **fields):
        return client.put(WEBHOOK, {"url": url} | fields, format="json")

    return put


@pytest.fixture
def hook(put, receiver):
    """Alice's webhook at the receiver: `secret`, and `row()`, its row now."""
    answer = put(receiver.url)
    assert answer.status_code == 201, answer.content
    return SimpleNamespace(secret=answer.json()["secret"], row=lambda: Webhook.objects.get())


@pytest.fixture
def send_due():
    """Sends what is due, as a worker does."""

    return lambda: Sender(uuid4()).send_all()
