"""A Django-Q2 cluster that dies rather than hangs, and the parent that starts it anew.

A stock cluster (django-q2 1.11.1) can be blocked for ever by one killed worker: the dead process
held the queue's lock. And a killed parent leaves orphans that go on taking tasks. So here every
process dies with its parent, the whole cluster ends as soon as it has lost one of its processes,
and a parent that does nothing else starts it again. The jobs' rows say what is next, so nothing is
lost by it.
"""

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from resource import RUSAGE_SELF, getrusage
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone

from jobs import housekeeping, queue

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
M_MMAP_THRESHOLD = -3  # malloc.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
GRACE_SECONDS = 25  # for a step that is on its way when the cluster is asked to stop
RESTART_SECONDS = 1.0
LAST_ANSWERS_SECONDS = 4.0
# Of a worker, from its start; in the unit in which the kernel tells it.
GROWTH = 40_000_000 if sys.platform == "darwin" else 40_000


class Supervisor:
    """Runs one cluster until SIGTERM or SIGINT; a second signal ends it without grace."""

    def __init__(self) -> None:
        self.child = 0
        self.stopping = False

    def run(self) -> None:
        for each in SIGNALS:
            signal.signal(each, self._stop)
        signal.signal(signal.SIGALRM, self._give_up)
        _import_what_workers_need()
        while not self.stopping:
            self._start()
            status = self._wait()
            if not self.stopping:
                logger.warning("the cluster ended and is started again", extra={"status": status})
                time.sleep(RESTART_SECONDS)

    def _start(self) -> None:
        """A signal that comes meanwhile waits until we know whom to pass it on to."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if not self.stopping:  # it may have been faster than the mask
            self._fork()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _fork(self) -> None:
        queue.close(False)
        supervisor = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            for each in (*SIGNALS, signal.SIGALRM):
                signal.signal(each, signal.SIG_DFL)
            # A terminal's Ctrl-C and a SIGTERM sent to all processes (systemd, Heroku) are for the
            # supervisor alone: workers finish their step when the cluster is told to stop, by
            # SIGINT. A blocked SIGTERM stays blocked in all that the cluster forks.
            os.setsid()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            _run_cluster(supervisor)

    def _wait(self) -> int:
        """Until the cluster has ended; how."""
        status = os.waitpid(self.child, 0)[1] if self.child else 0
        self.child = 0
        return status

    def _stop(self, signum: int, frame: object) -> None:
        again, self.stopping = self.stopping, True
        queue.close()
        self._pass_on(signal.SIGKILL if again else signal.SIGINT)
        signal.alarm(GRACE_SECONDS)

    def _give_up(self, signum: int, frame: object) -> None:
        logger.warning("the cluster did not stop in time and is killed")
        self._pass_on(signal.SIGKILL)

    def _pass_on(self, signum: int) -> None:
        if self.child:
            with suppress(ProcessLookupError):
                os.kill(self.child, signum)


def _import_what_workers_need() -> None:
    """Once, before any fork: the SDKs take a second to import, and their pages can be shared."""
    from jobs.providers import veo_is_configured

    if veo_is_configured():
        import jobs.providers.veo
    if settings.USE_CLOUDINARY:
        import jobs.videos.cloudinary  # noqa: F401
    gc.freeze()  # what the collector does not touch stays shared
    gc.collect()  # or it would let garbage lie until that is a quarter of what it has just frozen
    # Large blocks go back to the system when they are freed. glibc would soon keep them, for each
    # thread its own: 1.5 GB for a hundred videos of 20 MB, though few are in memory at a time.
    with suppress(AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1_000_000)


def _run_cluster(supervisor: int) -> None:
    """In the child of `supervisor`: the cluster, then the end of the process."""
    die_with_parent(parent=supervisor)
    _let_no_child_outlive_us()
    logging.getLogger("django-q").addHandler(_EndOnDeath(level=logging.CRITICAL))
    code = 1
    try:
        from django_q.conf import Conf

        queue.prepare()
        housekeeping.sweep_spool(now=timezone.now())
        connections.close_all()  # the cluster's processes open their own
        # A worker that has handled large videos, and keeps their memory, makes room for a new one.
        Conf.MAX_RSS = getrusage(RUSAGE_SELF).ru_maxrss + GROWTH
        _sentinel()
        code = 0
    except DatabaseError as error:  # gone, or without its tables: the next try may find it
        logger.warning("no cluster without its database, migrated: %s", type(error).__name__)
    except Exception:
        logger.exception("the cluster could not start")
    finally:
        logging.shutdown()
        os._exit(code)


def _sentinel() -> None:
    """Django-Q2's cluster until SIGINT, with two processes less: that which only waits for its
    sentinel, and one of those that bring tasks and take results."""
    from django_q.cluster import Sentinel

    class Here(Sentinel):
        def spawn_monitor(self) -> Any:
            self.pushed = multiprocessing.Event()
            return self.spawn_process(
                queue.push_and_monitor,
                self.task_queue,
                self.result_queue,
                self.event_out,
                self.pushed,
                self.broker,
            )

        def spawn_pusher(self) -> Any:
            return _Pusher(self.monitor, self.pushed)

        def guard(self) -> None:
            # Not before: what was forked until now ignores SIGINT, as in a stock cluster.
            signal.signal(signal.SIGINT, lambda *_: self.stop_event.set())
            if queue.is_closing():  # its SIGINT came before
                self.stop_event.set()
            super().guard()

    Here(_Flag(), _Flag(), uuid4())


class _Pusher:
    """The part of a `process` that has ended once it has `pushed` its last task."""

    def __init__(self, process: Any, pushed: Any) -> None:
        self.process, self.pushed = process, pushed
        self.pid, self.name = process.pid, process.name

    def is_alive(self) -> bool:
        return self.process.is_alive() and not self.pushed.is_set()


class _Flag:
    """An Event for one process, without the lock that a signal could find taken by this thread."""

    def __init__(self) -> None:
        self.is_up = False

    def set(self) -> None:
        self.is_up = True

    def is_set(self) -> bool:
        return self.is_up

    def wait(self, seconds: float) -> bool:
        if not self.is_up:
            time.sleep(seconds)
        return self.is_up


class _EndOnDeath(logging.Handler):
    """Ends this process, and all with it, when it reports that one of the cluster's died.

    Such a report is the one thing that django-q2 logs as CRITICAL; a test holds it to that. What
    the other workers have on its way, and may have paid for, gets a little time to be noted.
    """

    def emit(self, record: logging.LogRecord) -> None:
        queue.close()
        time.sleep(LAST_ANSWERS_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_parent(*, parent: int, signum: int = signal.SIGKILL) -> None:
    """Have the kernel send this process `signum` when `parent` dies (Linux only).

    `parent` is what the process that forked knew itself as: it may have died since.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:
            os._exit(1)


def _let_no_child_outlive_us() -> None:
    """For all processes that are forked from here on, and their children."""
    forker = 0

    def before() -> None:
        nonlocal forker
        forker = os.getpid()

    os.register_at_fork(before=before, after_in_child=lambda: die_with_parent(parent=forker))
