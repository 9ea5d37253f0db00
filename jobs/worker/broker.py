"""An ORM broker that waits during database outages, and reports to the supervisor."""

import logging
from contextlib import suppress
from time import monotonic, sleep

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.core_signing import BadSignature, TimestampSigner

from jobs.worker import shared
from jobs.worker.outage import DATABASE_DOWN, RETRY_SECONDS, retry_while_database_is_down
from jobs.worker.scheduler import restart_ticks
from jobs.worker.shared import state

logger = logging.getLogger(__name__)


def under_present_key(payload: str) -> str:
    """A queued task, signed again with SECRET_KEY if a key of SECRET_KEY_FALLBACKS signed it.

    Django-Q2 drops a task that another key has signed.
    """
    for key in settings.SECRET_KEY_FALLBACKS:
        with suppress(BadSignature):
            task = TimestampSigner(key=key, salt=Conf.PREFIX).unsign(payload)
            return TimestampSigner(key=Conf.SECRET_KEY, salt=Conf.PREFIX).sign(task)
    return payload


class OutageTolerantORM(ORM):
    """Waits while the database is down; the stock broker raises.

    An exception would end the broker's process and with it the cluster, whose workers may hold
    answers to paid calls. Once a second it also restarts the ticks if they have stopped: if a
    cluster is killed while the tick is in its in-memory queue, the tick is lost.
    """

    _ticks_checked_at = 0.0

    def dequeue(self) -> list[tuple[int, str]] | None:
        if not state.has_tasks():
            state.idle_at = monotonic()
        try:
            if monotonic() - self._ticks_checked_at > RETRY_SECONDS:
                restart_ticks(now=timezone.now())
                self._ticks_checked_at = monotonic()
            tasks = super().dequeue()
        except DATABASE_DOWN:
            logger.warning("the task queue's database does not respond")
            connection.close()
            sleep(RETRY_SECONDS)
            return None
        state.taken += len(tasks or ())
        return tasks and [(id, under_present_key(payload)) for id, payload in tasks]

    def delete(self, task_id: int) -> None:
        retry_while_database_is_down(lambda: super(OutageTolerantORM, self).delete(task_id))
        state.finished += 1

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """The sentinel calls it twice a second. Nothing reads the statistics themselves."""
        state.sentinel_at = monotonic()
        if heart := shared.heart:
            heart.beat()
