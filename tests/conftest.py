"""What many tests need.

Tests inside one process use pytest-django's `db`, which rolls back. Never `transaction=True`: it
empties the tables at its end, which the ledger's append-only triggers refuse. Tests that need
several processes use the shared `service`, or start a `stack` with a database of its own.
"""

import gc
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import caches
from django.db import connection
from pytest_django import DjangoDbBlocker

from jobs import wakeup
from tests.run import ENVIRONMENT, PROJECT, fresh_database, sqlite_file
from tests.stack import Stack

pytest_plugins = ["tests.browser", "tests.fixtures"]

HERE = ("127.0.0.1", "::1", "localhost", None)
HOST_OF: dict[str, Callable[..., object]] = {
    "socket.connect": lambda socket, address: address,
    "socket.sendto": lambda socket, address: address,
    "socket.sendmsg": lambda socket, address: address,
    "socket.getaddrinfo": lambda host, *more: (host,),
    "socket.gethostbyname": lambda host: (host,),
}
IN_MEMORY = "file:tests?mode=memory&cache=shared"
refused: list[str] = []


def pytest_configure() -> None:
    if (PROJECT / "staticfiles").exists():
        raise pytest.UsageError("Remove staticfiles/: tests look at the static files as they are.")
    sys.addaudithook(_refuse_the_network)
    if threading.current_thread() is threading.main_thread():
        # A run that is told to end takes its servers with it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before -m chooses by these markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is for the other kind of database: `only_on` it, or `once`, on SQLite.

    Tests in this process that ask no database are `once` too.
    """
    for item in items:
        if not item.get_closest_marker("live") and not _asks_a_database(item):
            item.add_marker("once")
    config.hook.pytest_deselected(items=[item for item in items if not _belongs(item)])
    items[:] = [item for item in items if _belongs(item)]


def pytest_collection_finish() -> None:
    """Keeps what was imported and collected out of each garbage collection."""
    gc.collect()
    gc.freeze()


def _asks_a_database(item: pytest.Item) -> bool:
    """pytest-django refuses the database to all others."""
    return "db" in getattr(item, "fixturenames", ()) or bool(item.get_closest_marker("django_db"))


def _belongs(item: pytest.Item) -> bool:
    """Live tests run on PostgreSQL; those that are marked `once` start servers on SQLite too."""
    once = bool(item.get_closest_marker("once"))
    if mark := item.get_closest_marker("only_on"):
        return connection.vendor in mark.args
    if item.get_closest_marker("live"):
        return once or connection.vendor == "postgresql"
    return not once or connection.vendor == "sqlite"


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """A test fails if it tries to reach another host, even if the code handles the refusal."""
    refused.clear()
    yield
    assert not refused


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """Empties what a process caches for some seconds, as if it had just started."""
    caches["local"].clear()
    caches["monitor"].clear()
    wakeup.last_wake.clear()


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """A copy of the run's migrated database, because migrations take seconds in each process."""
    with fresh_database(os.environ["DATABASE_URL"]) as url, django_db_blocker.unblock():
        file = sqlite_file(url)
        connection.close()
        connection.settings_dict["NAME"] = IN_MEMORY if file else urlsplit(url).path[1:]
        connection.ensure_connection()
        if file:
            with closing(sqlite3.connect(file)) as migrated:
                migrated.backup(connection.connection)
        yield
        connection.close()


@pytest.fixture(scope="session")
def service() -> Iterator[Stack]:
    """A running service for all tests that need no settings of their own; each creates its users.

    The mock takes a second. A new user has tokens for two videos. Passwords are hashed as in
    production.
    """
    hosts = f"{ENVIRONMENT['ALLOWED_HOSTS']},.example.com"
    settings = {"MOCK_SECONDS": "1", "SIGNUP_GRANT_TOKENS": "100", "ALLOWED_HOSTS": hosts}
    settings["DJANGO_SETTINGS_MODULE"] = "videostudio.settings"
    with Stack(env=settings) as stack:
        yield stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failed test what the processes of its stacks wrote."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Stack):
                report.sections.append(("Output of the stack", value.output()))
    return report


@pytest.fixture
def stack() -> Iterator[Callable[..., Stack]]:
    """Starts a Stack with the options given; a failed test shows what its processes wrote."""
    with ExitStack() as opened:

        def start(**options: Any) -> Stack:
            started = opened.enter_context(Stack(**options))
            opened.callback(lambda: print(started.output()))
            return started

        yield start


def _refuse_the_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in HOST_OF:
        return
    address = HOST_OF[event](*arguments)
    if isinstance(address, tuple) and address[0] not in HERE:  # a unix socket's is a path
        refused.append(f"{event} {address}")
        raise ConnectionRefusedError(f"tests do not leave this machine: {address}")
