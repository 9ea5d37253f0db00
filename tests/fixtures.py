"""The fixtures of all tests inside one process.

Alice owns the jobs, Bob is a stranger; both have tokens for twenty videos. Sam, Olga and Fred are
the members of staff, one for each role.
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

from accounts.api.throttling import WindowThrottle
from accounts.models import User
from jobs import job_creation
from jobs.models import IdempotencyKey, JobEvent, JobImage, Status, VideoJob
from jobs.providers.base import Inputs
from tests.api import PASSWORD, TOKENS, Client, limited
from tests.job_states import bring, order
from tokens_ledger import ledger
from tokens_ledger.models import Entry
from videostudio.core import logs

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
    """`tokens(alice)`: how many she has. `tokens(alice, 20)`: now she has so many."""

    def tokens(user, wanted=None):
        missing = 0 if wanted is None else wanted - ledger.balance(user=user)
        if missing:
            ledger.adjust(user=user, amount=missing, note="For tests")
        return ledger.balance(user=user)

    return tokens


@pytest.fixture
def client_of(monkeypatch):
    """Signs a user in. The throttles' counts begin anew, and their minute does not end."""
    cache.clear()
    monkeypatch.setattr(WindowThrottle, "timer", lambda self: 1_800_000_000.0)

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
    """`member("Support")`: the user, new; more names are more people."""

    def member(role: str, name: str = "") -> User:
        name = name or role.lower()
        user = User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        return user

    return member


@pytest.fixture
def browser_of():
    """Signs a member of staff in."""

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
    """Creates a job, Alice's unless `user` says otherwise, and brings it to the state `at`."""

    def create(at=Status.PENDING, *, user=alice, now=None, inputs=None, **changes):
        now = now or timezone.now()
        taken = job_creation.create(
            user=user, spec=order(**changes), inputs=inputs or Inputs(), now=now
        )
        return bring(taken.job, at, now=now)

    return create


# ---- Checks ----


def traces():
    """How much there is of everything that a new job leaves behind."""
    tables = (VideoJob, JobImage, JobEvent, IdempotencyKey, Entry, OrmQ)
    return {table.__name__: table.objects.count() for table in tables}


@pytest.fixture
def nothing_happens(alice, settings):
    """The test may ask often and must leave no job, image, charge or wake-up behind."""
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
    """Each of the formats that are taken."""
    return request.param


# ---- The log ----


@pytest.fixture
def commits(monkeypatch):
    """Runs what waits for a commit at once: these tests roll back."""
    monkeypatch.setattr(transaction, "on_commit", lambda write, robust=False: write())


@pytest.fixture
def many(settings):
    """No limit stands in the way of the jobs that a test needs."""
    settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 100


@pytest.fixture
def lines():
    """What the service's own handler writes, as the JSON of each line."""
    yield from _written("json", lambda text: [json.loads(line) for line in text.splitlines()])


@pytest.fixture
def text():
    """What the service's own handler writes for people."""
    yield from _written("text", str)


def _written(kind, read):
    handler = logs.Handler(io.StringIO())
    logging_settings: Any = deepcopy(configured.LOGGING)  # which the next line empties
    formatter = DictConfigurator({}).configure_formatter(logging_settings["formatters"][kind])
    handler.setFormatter(formatter)
    logging.root.addHandler(handler)
    yield lambda: read(handler.stream.getvalue())
    logging.root.removeHandler(handler)
