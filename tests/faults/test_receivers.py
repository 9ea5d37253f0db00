"""Each fault of a webhook's receiver has the result that docs/receivers.md says."""

import socket
import ssl
from uuid import uuid4

import pytest
from django.utils import timezone

from jobs.models import Status, Webhook, WebhookDelivery
from jobs.webhooks import sending
from jobs.worker.webhooks import Sender
from tests.certificates import self_signed
from tests.faults.receivers import FAULTS, FILE, INTRODUCTION
from tests.receiver import receiver

pytestmark = pytest.mark.slow

NAMES = {"inside.example.com": "127.0.0.1"}


@pytest.fixture
def resolver(monkeypatch):
    """Names of other hosts are looked up in NAMES."""
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *more, **options):
        if host in NAMES or host == "127.0.0.1":
            return real(NAMES.get(host, host), port, *more, **options)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def secure_port(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path, "127.0.0.1"))
    with receiver(wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as secure:
        yield secure.url.split(":")[2].split("/")[0]


@pytest.mark.once
def test_table_of_the_receivers_faults(
    request, client, new_job, settings, monkeypatch, resolver, secure_port, many
):
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 1.0)
    rows = []
    for fault in FAULTS:
        WebhookDelivery.objects.all().delete()
        Webhook.objects.all().delete()
        with receiver() as server:
            server.answer = fault.answer
            url = fault.url.replace("{secure}", secure_port) or server.url
            answer = client.put("/api/v1/webhook", {"url": url}, format="json")
            assert answer.status_code == 201, answer.content
            new_job(Status.CANCELLED)
            Sender(uuid4()).send_all()
        rows.append(row(fault.name, WebhookDelivery.objects.get(), Webhook.objects.get()))
    table = INTRODUCTION + "".join(rows)
    if request.config.getoption("--write-faults"):
        FILE.write_text(table)
    assert FILE.read_text() == table


def row(name, delivery, webhook):
    wait = ""
    if delivery.next_try_at:
        seconds = (delivery.next_try_at - timezone.now()).total_seconds()
        wait = "5 s" if seconds < 10 else f"{round(seconds, -1):.0f} s"
    cells = (
        name,
        delivery.status,
        delivery.last_status or "",
        delivery.last_error,
        wait,
        "switched off" if webhook.disabled_reason else "",
    )
    return f"| {' | '.join(map(str, cells))} |\n"
