"""What the monitor, the dashboard, /metrics and /readyz ask about the workers."""

from datetime import datetime, timedelta

from django_q.models import OrmQ

from jobs.models import Tick

PERIOD = timedelta(seconds=1)  # between two ticks
ALIVE = timedelta(seconds=15)  # without a tick for so long, no cluster is running


def workers_alive(*, now: datetime) -> bool:
    """Whether some cluster keeps the ticks running."""
    return Tick.objects.filter(next_at__gt=now - ALIVE).exists()


def tick_age(*, now: datetime) -> timedelta:
    """How long ago the last tick ran; up to PERIOD where all is well."""
    return now + PERIOD - Tick.objects.get().next_at


def queued_tasks() -> int:
    return OrmQ.objects.count()
