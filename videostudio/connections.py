"""Whether a kept database connection still lives, without asking the database."""

import select
from time import monotonic
from typing import Any

from django.core.signals import request_started
from django.db import connections

JUST_NOW = 1.0  # seconds


def spare_health_checks() -> None:
    """From now on a request asks its connection only where that may be gone.

    With CONN_HEALTH_CHECKS Django sends each a `SELECT 1` first. A server that goes away says so or
    closes the connection; either can be read. One that vanished without a word and is back would
    answer that it knows no such connection, so one that was not used just now is asked.
    """
    request_started.connect(_trust_the_silent)  # after Django's own, which has it ask


def _trust_the_silent(**kwargs: Any) -> None:
    kept: Any
    now = monotonic()
    for kept in connections.all(initialized_only=True):
        if kept.vendor == "postgresql" and kept.connection and not kept.connection.closed:
            just_now = now - getattr(kept, "used_at", 0.0) < JUST_NOW
            kept.health_check_done = just_now and not _can_be_read(kept.connection.fileno())
            kept.used_at = now


def _can_be_read(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
