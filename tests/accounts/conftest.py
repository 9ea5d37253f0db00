import json

import pytest
from django.core.cache import cache

from accounts import jwt
from accounts.models import User
from tests.api import PASSWORD
from videostudio.core.api.throttling import WindowThrottle


@pytest.fixture
def pair(alice):
    return jwt.issue(user=alice)


@pytest.fixture(autouse=True)
def empty_cache(db):
    """The counts of the throttles are in it."""
    cache.clear()


@pytest.fixture
def carol(db):
    """A user without tokens: one whom the ledger knows cannot be deleted."""
    return User.objects.create_user("carol", "carol@example.com", PASSWORD)


@pytest.fixture
def post(anonymous):
    """`post("token", username=…)`: the answer of that path to a JSON object of these fields."""

    def post(path, headers=None, **body):
        text = json.dumps(body)
        type_ = "application/json"
        return anonymous.post(f"/api/v1/auth/{path}", text, content_type=type_, headers=headers)

    return post


@pytest.fixture
def me(anonymous):
    """`me(access)`: the answer of `me` to that access token."""
    return lambda access: anonymous.get(
        "/api/v1/auth/me", headers={"authorization": f"Bearer {access}"}
    )


@pytest.fixture
def rates(settings):
    """`rates(auth="3/min")`: these rates instead of the settings' own."""

    def rates(**changed):
        rest = settings.REST_FRAMEWORK
        given = rest["DEFAULT_THROTTLE_RATES"] | changed
        settings.REST_FRAMEWORK = rest | {"DEFAULT_THROTTLE_RATES": given}

    return rates


@pytest.fixture
def clock(monkeypatch):
    """The throttles' clock, at the start of a minute; `clock.now` is set by hand."""

    class Clock:
        now = 1_800_000_000.0

    monkeypatch.setattr(WindowThrottle, "timer", lambda self: Clock.now)
    return Clock


@pytest.fixture
def make(client):
    """Alice makes a key; returns the response's fields."""

    def make(**fields):
        answer = client.post("/api/v1/keys", {"name": "Renderer"} | fields, format="json")
        assert answer.status_code == 201, answer.content
        return answer.json()

    return make
