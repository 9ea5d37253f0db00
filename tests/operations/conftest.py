"""Alice and her jobs, as in tests/jobs; what is committed on the way is done at once here."""

import io
import json
import logging
from copy import deepcopy
from logging.config import DictConfigurator
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import transaction

from tests.jobs.conftest import alice, anonymous, client, client_of, new_job  # noqa: F401
from videostudio.core import logs


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
