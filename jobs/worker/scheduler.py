"""Scheduling on top of django_q: the tick, the schedules, and the slots for long tasks.

All state is in the jobs' rows; a task only wakes a worker. Any task may be lost, late, duplicated
or run on two machines at once without harm. Django-Q2 has no delayed tasks and checks its schedules
only every thirty seconds, so the tick is a task that queues the next tick, one second ahead, in the
transaction that increments the token. A duplicate has a stale token and does nothing; after a crash
the next tick is still in the queue; `restart_ticks` starts the ticks if they have stopped.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.models import OrmQ, Schedule, Task
from django_q.tasks import async_task

from jobs.models import Tick
from jobs.stats.queries import PERIOD
from jobs.worker import leases, staging

logger = logging.getLogger(__name__)

# The ticks are restarted if the next one is this late, or this far ahead: then the clock was set
# back.
TICKS_LATE = timedelta(seconds=5)
ORPHAN_AGE = timedelta(days=1)  # a task that waited this long cannot be read by any cluster
FAILURE_RETENTION = timedelta(days=7)


class DelayedORM(ORM):
    """An ORM broker whose queued tasks become available only after `delay`.

    `OrmQ.lock` in the future means "prevent any cluster from pulling until" (its help text).
    """

    def __init__(self, *, delay: timedelta) -> None:
        super().__init__()
        self.delay = delay

    def enqueue(self, task: str) -> int:
        row = self.get_connection().create(
            key=self.list_key, payload=task, lock=timezone.now() + self.delay
        )
        return row.pk


def take_tick(*, token: int, now: datetime) -> bool:
    """Consume the tick with this `token` and queue the next one; False if the token is stale."""
    with transaction.atomic():
        due = Tick.objects.filter(token=token)
        was_set_back = due.filter(next_at__gt=now + TICKS_LATE).exists()
        updated = due.update(token=token + 1, next_at=now + PERIOD)
        if updated:
            _queue_tick(token + 1, delay=PERIOD)
            if was_set_back:
                leases.shorten_waits(now=now)
    return bool(updated)


def restart_ticks(*, now: datetime) -> None:
    """Queue a new tick if the ticks have stopped."""
    in_time = Tick.objects.filter(next_at__range=(now - TICKS_LATE, now + TICKS_LATE))
    if in_time.exists():
        return
    with transaction.atomic():
        tick = Tick.objects.select_for_update().get()
        if in_time.exists():
            return
        if tick.next_at > now + TICKS_LATE:
            leases.shorten_waits(now=now)
        tick.token += 1
        tick.next_at = now
        tick.save(update_fields=["token", "next_at"])
        _queue_tick(tick.token, delay=timedelta(0))


def prepare() -> None:
    """Create what a cluster needs before it starts: the schedules, and a queued tick."""
    with transaction.atomic():
        Tick.objects.select_for_update().get()  # serializes clusters that start together
        _schedule("revive the tick", "restart_ticks", Schedule.MINUTES, minutes=1)
        _schedule("housekeeping", "purge_expired", Schedule.HOURLY)
        _schedule("ledger check", "check_ledger", Schedule.HOURLY)
    restart_ticks(now=timezone.now())


def _schedule(name: str, task: str, kind: str, **extra: int) -> None:
    defaults = {"func": f"jobs.worker.tasks.{task}", "schedule_type": kind, "repeats": -1} | extra
    Schedule.objects.update_or_create(name=name, defaults=defaults)


@contextmanager
def storage_slot() -> Iterator[bool]:
    """Whether this worker may run a task that stores videos, which takes long.

    There is one slot fewer than workers in the cluster, so that one worker always remains for the
    ticks. Slots are file locks, which the kernel releases when a worker dies. Their names contain
    the process id of the workers' parent, so that each cluster has its own.
    """
    slots = max(1, int(str(settings.Q_CLUSTER["workers"])) - 1)
    for slot in range(slots):
        with open(staging.folder() / f"store-{os.getppid()}-{slot}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield True
            return
    yield False


def _queue_tick(token: int, *, delay: timedelta) -> None:
    async_task("jobs.worker.tasks.tick", token, broker=DelayedORM(delay=delay))


def expired_rows(*, now: datetime) -> list[QuerySet]:
    """django_q's rows that can be deleted: tasks that no cluster consumes, and old failures."""
    return [
        OrmQ.objects.filter(lock__lt=now - ORPHAN_AGE),
        Task.objects.filter(stopped__lt=now - FAILURE_RETENTION),
    ]
