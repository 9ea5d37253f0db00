"""The fixtures of all in-process tests.

Alice owns the jobs, Bob is a stranger; both have tokens for twenty videos. Sam, Olga and Fred are
members of staff, one for each role.
"""

import io
import json
import logging
from contextlib import contextmanager
from copy import deepcopy
from logging.config import DictConfigurator
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from jobs import job_creation
from jobs.models import IdempotencyKey, JobEvent, JobImage, Status, VideoJob
from jobs.providers.base import Inputs
from tests.api import PASSWORD, TOKENS, Client, by, limited
from tests.job_states import bring, order
from tokens_ledger import ledger
from tokens_ledger.models import Entry
from videostudio.core import logs
from videostudio.core.api.throttling import WindowThrottle

# ---- Users and their clients ----


@pytest.fixture
def alice(db):
    return _user("alice")


@pytest.fixture
def bob(db):
    return _user("bob")


def _user(name):
    user = User.objects.create_user(name, f"{name}@example.com", PASSWORD)
    ledger.grant(user=user, amount=TOKENS, note="For tests")
    return user


@pytest.fixture
def tokens():
    """`tokens(alice)` returns her balance; `tokens(alice, 20)` sets it."""

    def tokens(user, wanted=None):
        missing = 0 if wanted is None else wanted - ledger.balance(user=user)
        if missing:
            ledger.adjust(user=user, amount=missing, note="For tests")
        return ledger.balance(user=user)

    return tokens


@pytest.fixture
def client_of(monkeypatch):
    """Logs a user in. The throttles' counters are reset, and their minute does not end."""
    cache.clear()
    monkeypatch.setattr(WindowThrottle, "timer", lambda self: 1_799_971_200.0)

    def client(user):
        client = Client(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
        return client

    return client


@pytest.fixture
def client(alice, client_of):
    """Alice's."""
    return client_of(alice)


@pytest.fixture
def program(client):
    """Alice's program, with a new API key; `fields` are those of the key."""

    def program(**fields):
        answer = client.post("/api/v1/keys", {"name": "Renderer"} | fields, format="json")
        return by(answer.json()["key"])

    return program


@pytest.fixture
def stranger(bob, client_of):
    """Bob's client."""
    return client_of(bob)


@pytest.fixture
def anonymous(db):
    return Client(raise_request_exception=False)


@pytest.fixture
def boss(db):
    """A superuser's browser."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("boss", "boss@example.com"))
    return client


# ---- Members of staff ----


@pytest.fixture
def member(db):
    """`member("Support")` returns a new user with that role; several names give several roles."""

    def member(role: str, name: str = "") -> User:
        name = name or role.lower()
        user = User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        return user

    return member


@pytest.fixture
def browser_of():
    """Logs a member of staff in."""

    def sign_in(user: User) -> Client:
        browser = Client(raise_request_exception=False)
        browser.force_login(user)
        return browser

    return sign_in


@pytest.fixture
def support(member, browser_of):
    return browser_of(member("Support"))


@pytest.fixture
def operator(member, browser_of):
    return browser_of(member("Operator"))


@pytest.fixture
def finance(member, browser_of):
    return browser_of(member("Finance"))


# ---- Jobs ----


@pytest.fixture
def new_job(alice):
    """Creates a job, by default Alice's, and brings it to the state `at`."""

    def create(at=Status.PENDING, *, user=alice, now=None, inputs=None, **changes):
        now = now or timezone.now()
        taken = job_creation.create(
            user=user, spec=order(**changes), inputs=inputs or Inputs(), now=now
        )
        return bring(taken.job, at, now=now)

    return create


# ---- Checks ----


def traces():
    """The numbers of all rows that a new job creates."""
    tables = (VideoJob, JobImage, JobEvent, IdempotencyKey, Entry, OrmQ)
    return {table.__name__: table.objects.count() for table in tables}


@pytest.fixture
def nothing_happens(alice, settings):
    """Disables the throttle, and checks that the test left no job, image, charge or wake-up."""
    limited(settings, "1000000/min")
    before = traces()
    yield
    assert traces() == before
    assert ledger.balance(user=alice) == TOKENS


# ---- The database, past its guards ----


@pytest.fixture
def sql(db):
    """Runs a statement past the ORM; returns the number of rows."""

    def execute(statement, *values):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.rowcount

    return execute


@pytest.fixture
def unguarded(sql):
    """While this is open, the ledger's triggers do not watch."""

    @contextmanager
    def watch_nothing():
        if connection.vendor == "postgresql":
            sql("SET LOCAL session_replication_role = replica")
            yield
            sql("SET LOCAL session_replication_role = origin")
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
        for name, _ in triggers:
            sql(f"DROP TRIGGER {name}")
        yield
        for _, create in triggers:
            sql(create)

    return watch_nothing


# ---- Images ----


@pytest.fixture(params=["JPEG", "PNG", "WEBP"])
def kind(request):
    """Each of the accepted formats."""
    return request.param


# ---- The log ----


@pytest.fixture
def commits(monkeypatch):
    """Runs on_commit callbacks at once, because these tests roll back."""
    monkeypatch.setattr(transaction, "on_commit", lambda write, robust=False: write())


@pytest.fixture
def many(settings):
    """Raises all limits, so that the test can create its jobs."""
    settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 100


@pytest.fixture
def lines():
    """The lines of the service's own log handler, as JSON."""
    yield from _written("json", lambda text: [json.loads(line) for line in text.splitlines()])


@pytest.fixture
def text():
    """The lines of the service's own log handler, as text for people."""
    yield from _written("text", str)


def _written(kind, read):
    handler = logs.Handler(io.StringIO())
    logging_settings: Any = deepcopy(configured.LOGGING)  # which the next line empties
    formatter = DictConfigurator({}).configure_formatter(logging_settings["formatters"][kind])
    handler.setFormatter(formatter)
    logging.root.addHandler(handler)
    yield lambda: read(handler.stream.getvalue())
    logging.root.removeHandler(handler)
