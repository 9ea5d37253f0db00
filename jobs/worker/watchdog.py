"""Detects that a cluster hangs although all its processes are alive."""

from time import monotonic

from django.db import Error, connections

from jobs.models import Tick
from jobs.worker.shared import TASK_SECONDS, state

SENTINEL_SECONDS = 15  # its loop runs twice a second
IDLE_SECONDS = 20  # no worker is in a task, but the pusher does not poll or has unfinished tasks


class Watchdog:
    """Watches one cluster from its start. While the database is down, no silence counts."""

    def __init__(self) -> None:
        self.database_down_at = self.finished_at = monotonic()
        self.finished = 0

    def problem(self) -> str:
        """Why the cluster must be replaced; empty if it is well."""
        if state.process_died:
            return "a process died"
        if state.finished != self.finished or not state.has_tasks():
            self.finished, self.finished_at = state.finished, monotonic()
        problem = self._silence()
        if problem and not _database_answers():
            self.database_down_at = monotonic()
            return ""
        return problem

    def _silence(self) -> str:
        now = monotonic()
        for what, seen_at, limit in (
            ("its sentinel hangs", state.sentinel_at, SENTINEL_SECONDS),
            ("it makes no progress", max(state.idle_at, *state.worker_at), IDLE_SECONDS),
            ("no task was finished", self.finished_at, TASK_SECONDS + IDLE_SECONDS),
        ):
            if now - max(seen_at, self.database_down_at) > limit:
                return what
        return ""


def _database_answers() -> bool:
    try:
        return Tick.objects.exists()
    except Error:
        return False
    finally:
        connections.close_all()  # the supervisor is about to fork
