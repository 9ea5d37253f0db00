from contextlib import contextmanager

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import User
from tokens_ledger import ledger


@pytest.fixture
def alice(db):
    return User.objects.create_user("alice")


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob")


@pytest.fixture
def charged():
    """Charges `user` the 50 tokens of a video, for a reference."""

    def charge(user, reference):
        account = ledger.lock(user=user)
        return ledger.charge(account=account, operation="video_generation", reference=reference)

    return charge


@pytest.fixture
def client_of():
    def client(user):
        client = APIClient()
        client.force_authenticate(user)
        return client

    return client


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
