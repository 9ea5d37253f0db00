"""An ORM broker that survives database outages, and the process that runs it."""

import logging
from time import monotonic, sleep
from typing import Any

from django.db import connection
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.monitor import monitor
from django_q.pusher import pusher

from jobs.worker.outage import DATABASE_DOWN, RETRY_SECONDS, retry_while_database_is_down
from jobs.worker.scheduler import restart_ticks

logger = logging.getLogger(__name__)


class OutageTolerantORM(ORM):
    """Waits while the database is down; the stock broker raises.

    An exception would end the broker's process and with it the cluster, whose workers may hold
    answers to paid calls. Once a second it also restarts the ticks if they have stopped: if a
    cluster is killed while the tick is in its in-memory queue, the tick is lost.
    """

    _ticks_checked_at = 0.0
    results: Any = None  # the result queue, set if this process also saves the results

    def dequeue(self) -> list[tuple[int, str]] | None:
        if self.results:
            monitor(_DrainedQueue(self.results), self)
        try:
            if monotonic() - self._ticks_checked_at > RETRY_SECONDS:
                restart_ticks(now=timezone.now())
                self._ticks_checked_at = monotonic()
            return super().dequeue()
        except DATABASE_DOWN:
            logger.warning("the task queue's database does not respond")
            connection.close()
            sleep(RETRY_SECONDS)
            return None

    def delete(self, task_id: int) -> None:
        retry_while_database_is_down(lambda: super(OutageTolerantORM, self).delete(task_id))


class _DrainedQueue:
    """Wraps a queue and returns "STOP", which ends `monitor`, as soon as the queue is empty."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    def get(self) -> Any:
        return "STOP" if self.queue.empty() else self.queue.get()


def push_and_monitor(
    tasks: Any, results: Any, stop: Any, pushed: Any, broker: OutageTolerantORM
) -> None:
    """Django-Q2's pusher and monitor in one process. Results are saved between tasks."""
    broker.results = results
    pusher(tasks, stop, broker)
    pushed.set()
    monitor(results, broker)
