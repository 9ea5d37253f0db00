"""State that all processes of a cluster share with the supervisor, their common ancestor.

It is a few bytes of shared memory without a lock, because a process that is killed while it holds
a lock would block the others for ever. So each field is independent of the others.
"""

import ctypes
import mmap
import os
from time import monotonic
from typing import Any

from django.conf import settings

from jobs.stats.processes import Heart

SLOTS = 64  # for workers, by process id
TASK_SECONDS = int(str(settings.Q_CLUSTER["timeout"]))  # the sentinel ends longer tasks


class SharedState(ctypes.Structure):
    """Times are those of the monotonic clock, which all processes of a machine share."""

    _fields_ = [
        ("is_stopping", ctypes.c_bool),  # workers claim no more jobs
        ("process_died", ctypes.c_bool),  # the sentinel found a dead process
        ("sentinel_at", ctypes.c_double),  # when the sentinel's loop last ran
        ("idle_at", ctypes.c_double),  # when the pusher last polled and no task was unfinished
        # When each worker ended its last task; during a task, when it would time out.
        ("worker_at", ctypes.c_double * SLOTS),
        ("taken", ctypes.c_long),  # tasks that the pusher took from the queue
        ("finished", ctypes.c_long),  # tasks that the monitor deleted from the queue
    ]

    def has_tasks(self) -> bool:
        return self.taken > self.finished


state = SharedState.from_buffer(mmap.mmap(-1, ctypes.sizeof(SharedState)))
# The cluster's heartbeat: set by the supervisor, whose process id it has, and sent by the sentinel.
heart: Heart | None = None


def reset() -> None:
    """Before a cluster starts."""
    ctypes.memset(ctypes.byref(state), 0, ctypes.sizeof(state))
    state.sentinel_at = state.idle_at = monotonic()


def task_starts(**_: Any) -> None:
    state.worker_at[os.getpid() % SLOTS] = monotonic() + TASK_SECONDS


def task_ends(**_: Any) -> None:
    state.worker_at[os.getpid() % SLOTS] = monotonic()
