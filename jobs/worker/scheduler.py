"""The only file that knows django_q: wake-ups, the tick that keeps time, and who may do long work.

The row of a job is the truth and a task is no more than a wake-up: any may be lost, late, doubled
or run on two machines at once without harm. Django-Q2 has no delayed tasks and its schedules come
round every thirty seconds, so the tick is a task that queues its own successor, one second ahead,
in the transaction that takes its token. A duplicate finds a stale token and does nothing; a crash
leaves the successor in the queue; `restart_ticks` starts a chain that fell silent.
"""

import fcntl
import logging
import mmap
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
from jobs.worker import staging

logger = logging.getLogger(__name__)

# Shared by all processes that are forked after this import, and without a lock to die with.
_closing = mmap.mmap(-1, 1)

TICKS_LATE = timedelta(seconds=5)  # a chain this late is given up and begun anew
ORPHAN_AGE = timedelta(days=1)  # a task that waited so long is one that no cluster can read
FAILURE_RETENTION = timedelta(days=7)


class DelayedORM(ORM):
    """The ORM broker, but what it queues can be taken only after `delay`.

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


def close(yes: bool = True) -> None:
    """Have the workers of this cluster take no more jobs: it is about to end."""
    _closing[0] = yes


def is_closing() -> bool:
    return bool(_closing[0])


def take_tick(*, token: int, now: datetime) -> bool:
    """Take the tick that holds `token` and queue its successor; False for a stale one."""
    with transaction.atomic():
        taken = Tick.objects.filter(token=token).update(token=token + 1, next_at=now + PERIOD)
        if taken:
            _queue_tick(token + 1, delay=PERIOD)
    return bool(taken)


def restart_ticks(*, now: datetime) -> bool:
    """Start the chain of ticks anew where it has fallen silent."""
    if Tick.objects.filter(next_at__gt=now - TICKS_LATE).exists():
        return False
    with transaction.atomic():
        tick = Tick.objects.select_for_update().get()
        if tick.next_at > now - TICKS_LATE:
            return False
        tick.token += 1
        tick.next_at = now
        tick.save(update_fields=["token", "next_at"])
        _queue_tick(tick.token, delay=timedelta(0))
    return True


def prepare() -> None:
    """What a cluster needs before it starts: a running chain, and the schedules."""
    with transaction.atomic():
        Tick.objects.select_for_update().get()  # two clusters that start at once take turns
        _schedule("restart_ticks the tick", "restart_ticks", Schedule.MINUTES, minutes=1)
        _schedule("housekeeping", "purge_expired", Schedule.HOURLY)
        _schedule("ledger check", "check_ledger", Schedule.HOURLY)
    restart_ticks(now=timezone.now())


def _schedule(name: str, task: str, kind: str, **more: int) -> None:
    defaults = {"func": f"jobs.worker.tasks.{task}", "schedule_type": kind, "repeats": -1} | more
    Schedule.objects.update_or_create(name=name, defaults=defaults)


@contextmanager
def storage_slot(kind: str) -> Iterator[bool]:
    """Whether this worker may do long work of this `kind` now: one in each cluster may not.

    So one worker is always left to keep time. Files are locked, since the kernel lets go of a dead
    worker's lock by itself; they are named after the cluster, whose workers share a parent.
    """
    slots = max(1, int(str(settings.Q_CLUSTER["workers"])) - 1)
    for slot in range(slots):
        with open(staging.folder() / f"{kind}-{os.getppid()}-{slot}.lock", "w") as lock:
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
    """Rows of django_q's that nobody will read: tasks without a taker, and old failures."""
    return [
        OrmQ.objects.filter(lock__lt=now - ORPHAN_AGE),
        Task.objects.filter(stopped__lt=now - FAILURE_RETENTION),
    ]
