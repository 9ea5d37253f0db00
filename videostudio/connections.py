"""Whether a kept database connection still lives, without asking the database."""

import select
from typing import Any

from django.core.signals import request_started
from django.db import connections


def spare_health_checks() -> None:
    """From now on a request's connection is asked only where it has something to say.

    With CONN_HEALTH_CHECKS Django sends each a `SELECT 1` first, which is one statement in three of
    a poll. A server that goes away says so or closes the connection; either can be read. One that
    vanishes without a word is noticed by neither.
    """
    request_started.connect(_trust_the_silent)  # after Django's own, which has it ask


def _trust_the_silent(**kwargs: Any) -> None:
    kept: Any
    for kept in connections.all(initialized_only=True):
        if kept.vendor == "postgresql" and kept.connection and not kept.connection.closed:
            kept.health_check_done = not _can_be_read(kept.connection.fileno())


def _can_be_read(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
