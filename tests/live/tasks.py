"""Tasks that tests run in the workers of their cluster."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from django_q.signals import post_execute_in_worker

HANDING_IN, HOLDING = "handing-in", "holding"  # files in TMPDIR with the worker's process number


def hand_in_slowly() -> None:
    """Done at once, but the worker takes a minute to hand the result in."""

    def stay(**_: object) -> None:
        _tell(HANDING_IN)
        time.sleep(60)

    post_execute_in_worker.connect(stay, weak=False)


def hold_the_queues() -> None:
    """A minute with the locks that a worker takes for a moment to count what it takes and gives."""
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        assert frame.f_back
        frame = frame.f_back
    for name in ("task_queue", "result_queue"):
        frame.f_locals[name].size.count.get_lock().acquire()
    _tell(HOLDING)
    time.sleep(60)


def sleep_like_a_log() -> None:
    """A minute in which the alarm of a task that takes too long is not heard."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)


def _tell(name: str) -> None:
    begun = Path(tempfile.gettempdir(), f"{name}.part")
    begun.write_text(str(os.getpid()))
    begun.rename(begun.with_suffix(""))
