"""No secret of a user is in the log, whatever the level."""

import json
import logging
import re
from uuid import uuid4

import pytest
from django.core import mail

from accounts import passwords
from jobs.models import Status
from jobs.worker.webhooks import Sender
from tests import receiver as receivers
from tests.receiver import reply

PASSWORD, OTHER = "tall ships at anchor", "a lighthouse at dusk"
AUTH, WEBHOOK = "/api/v1/auth", "/api/v1/webhook"


@pytest.fixture
def debug(settings, lines):
    """Everything is logged."""
    loggers = [logging.root, *map(logging.getLogger, [*logging.root.manager.loggerDict])]
    levels = [(each, each.level) for each in loggers]
    for each in loggers:
        each.setLevel(logging.DEBUG)
    yield lines
    for each, level in levels:
        each.setLevel(level)


@pytest.fixture
def mailed(settings, monkeypatch):
    settings.EMAIL_URL = "memorymail:"
    monkeypatch.setattr(passwords.mailer, "submit", lambda call, *values: call(*values))


def test_no_secret_is_logged(debug, mailed, anonymous, client_of, alice, new_job, settings):
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    alice.set_password(PASSWORD)
    alice.email = "alice@example.com"
    alice.save()
    client = client_of(alice)
    pair = anonymous.post(
        f"{AUTH}/token", {"username": "alice", "password": PASSWORD}, format="json"
    ).json()
    anonymous.post(f"{AUTH}/token", {"username": "alice", "password": OTHER}, format="json")
    anonymous.post(f"{AUTH}/token/refresh", {"refresh": pair["refresh"]}, format="json")
    key = client.post("/api/v1/keys", {"name": "n"}, format="json").json()["key"]
    anonymous.get("/api/v1/tokens", headers={"Authorization": f"Bearer {key}"})
    with receivers.receiver() as receiver:
        receiver.answer = lambda handler: reply(handler, 500)
        secrets = [client.put(WEBHOOK, {"url": receiver.url}, format="json").json()["secret"]]
        secrets.append(client.post(f"{WEBHOOK}/rotate").json()["secret"])
        client.post(f"{WEBHOOK}/test")
        new_job(Status.SUCCEEDED)
        Sender(uuid4()).send_all()
    anonymous.post(f"{AUTH}/password/reset", {"email": alice.email}, format="json")
    [token] = re.findall(r"token=(\S+)", str(mail.outbox[0].body))
    anonymous.get(f"/account/password?token={token}")
    anonymous.post(
        f"{AUTH}/password/reset/confirm", {"token": token, "newPassword": OTHER}, format="json"
    )
    anonymous.post("/account/password", {"token": token, "new_password": "short"})
    hidden = [PASSWORD, OTHER, pair["access"], pair["refresh"], key, token, *secrets]
    written = json.dumps(debug())
    assert len(written) > 5_000
    assert [each for each in hidden if each in written] == []
