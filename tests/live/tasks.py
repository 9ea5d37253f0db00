"""Tasks that tests queue for the workers of their cluster."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from django_q.signals import post_execute_in_worker

# Files in TMPDIR with the worker's process id.
HANDING_IN, HOLDING, SLEEPING = "handing-in", "holding", "sleeping"


def hand_in_slowly() -> None:
    """End at once, but make the worker take a minute to hand in the result."""

    def sleep(**_: object) -> None:
        _write_pid(HANDING_IN)
        time.sleep(60)

    post_execute_in_worker.connect(sleep, weak=False)


def hold_the_queues() -> None:
    """Hold for a minute the locks of the queues' sizes, which a worker normally holds briefly."""
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        assert frame.f_back
        frame = frame.f_back
    for name in ("task_queue", "result_queue"):
        frame.f_locals[name].size.count.get_lock().acquire()
    _write_pid(HOLDING)
    time.sleep(60)


def sleep() -> None:
    _write_pid(SLEEPING)
    time.sleep(60)


def sleep_without_alarm() -> None:
    """Ignore for a minute the alarm of a task that takes too long."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)


def _write_pid(name: str) -> None:
    file = Path(tempfile.gettempdir(), f"{name}.part")
    file.write_text(str(os.getpid()))
    file.rename(file.with_suffix(""))
