"""A Django-Q2 cluster that exits instead of hanging, and restarts itself.

In a stock cluster (django-q2 1.11.1) one killed worker can block all others for ever, because it
may hold the queue's lock when it dies. A killed parent leaves orphans that go on consuming tasks.
So here every process dies with its parent. If a process dies, the sentinel kills the others and
executes its own program again, under the same process id. Nothing is lost, because the jobs' rows
hold all state. If the sentinel itself dies, its process manager must restart it.
"""

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from resource import RUSAGE_SELF, getrusage
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone
from django_q.cluster import Sentinel
from django_q.conf import Conf
from django_q.signals import post_spawn
from django_q.worker import worker

from jobs.providers import provider_for, veo_is_configured
from jobs.providers.base import NotConfigured
from jobs.worker import broker, cleanup, scheduler

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
M_MMAP_THRESHOLD = -3  # malloc.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
GRACE_SECONDS = 25  # for running steps, after the cluster received the signal to stop
RESTART_SECONDS = 1.0
LAST_ANSWERS_SECONDS = 4.0
# How much a worker may grow after its start, in the unit of ru_maxrss on this platform.
MAX_GROWTH = 25_000_000 if sys.platform == "darwin" else 25_000


def run() -> None:
    """Run a cluster until SIGTERM or SIGINT; a second signal kills it at once."""
    stop = _StopFlag()
    stop.listen()
    _load_before_fork()
    _end_children_with_parent()
    logging.getLogger("django-q").addHandler(_RestartOnCrash(stop))
    post_spawn.connect(_limit_memory_growth)
    try:
        while not (stop.is_set() or _prepared()):
            stop.wait(RESTART_SECONDS)
        if not stop.is_set():
            _sentinel(stop)
    except Exception:
        logger.exception("the cluster crashed")
        _restart(stop)


class _StopFlag:
    """The Event that a sentinel waits for, set by signal handlers. It has no lock: with that of a
    real Event, a handler could deadlock with the thread that it interrupts."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.is_up = False

    def listen(self) -> None:
        for each in SIGNALS:
            signal.signal(each, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_timeout)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def set(self) -> None:
        self.is_up = True

    def is_set(self) -> bool:
        return self.is_up

    def wait(self, seconds: float) -> bool:
        if not self.is_up:
            time.sleep(seconds)
        return self.is_up

    def _on_signal(self, signum: int, frame: object) -> None:
        if os.getpid() != self.pid:  # a child, immediately after its fork
            return
        if self.is_up:
            _kill_children()
            os._exit(0)
        self.is_up = True
        scheduler.close()
        signal.alarm(GRACE_SECONDS)

    def _on_timeout(self, signum: int, frame: object) -> None:
        logger.warning("the cluster did not stop in time and was killed")
        _kill_children()
        os._exit(0)


def _load_before_fork() -> None:
    """Import the SDKs before any fork: that takes a second, and the children share the memory."""
    if veo_is_configured():
        import jobs.providers.veo

        try:
            provider_for(mock_mode=False)
        except NotConfigured:  # each job that needs it will fail with the same error
            logger.exception("a provider is not configured")
    if settings.USE_CLOUDINARY:
        import jobs.storage.cloudinary  # noqa: F401
    gc.collect()
    gc.freeze()  # pages that the collector does not touch stay shared between processes
    # Return large blocks to the system as soon as they are freed. By default glibc soon retains
    # them, in an arena for each thread: 1.5 GB after a hundred videos of 20 MB.
    with suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1_000_000)


def _prepared() -> bool:
    """Prepare the database; False if it is down or not migrated yet, to be retried."""
    try:
        scheduler.prepare()
    except DatabaseError as error:
        logger.warning("waiting for a migrated database: %s", type(error).__name__)
        return False
    cleanup.delete_stale_files(now=timezone.now())
    connections.close_all()  # the cluster's processes open their own
    return True


def _limit_memory_growth(**_: Any) -> None:
    """Limit a new worker's memory: one that retains memory after large videos is recycled. The
    limit is relative, because ru_maxrss includes the parent's peak at the time of the fork."""
    Conf.MAX_RSS = getrusage(RUSAGE_SELF).ru_maxrss + MAX_GROWTH


def _sentinel(stop: _StopFlag) -> None:
    """Run Django-Q2's sentinel in this process, with pusher and monitor merged into one child."""

    class InProcessSentinel(Sentinel):
        def spawn_worker(self) -> None:
            self.spawn_process(worker, self.task_queue, self.result_queue, _Timer(), self.timeout)

        def status(self) -> str:
            """Check the queues only when stopping: while they are in use, that needs their lock."""
            return super().status() if stop.is_set() else Conf.WORKING

        def spawn_monitor(self) -> Any:
            self.pushed = multiprocessing.Event()
            return self.spawn_process(
                broker.push_and_monitor,
                self.task_queue,
                self.result_queue,
                self.event_out,
                self.pushed,
                self.broker,
            )

        def spawn_pusher(self) -> Any:
            return _Pusher(self.monitor, self.pushed)

        def guard(self) -> None:
            stop.listen()  # Sentinel.start() set the signals to be ignored
            super().guard()

    Conf.QSIZE = False  # qsize() needs the queue's lock too
    gc.freeze()  # objects created since the first freeze
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    InProcessSentinel(stop, threading.Event(), uuid4())


class _Timer:
    """The seconds left for a worker's task; -1 for an idle worker, -2 for a recycled one.

    The stock timer, a multiprocessing.Value, has a lock: a worker that is killed while it holds it
    blocks the sentinel for ever. No lock is needed here: only the worker writes, and one number.
    """

    def __init__(self) -> None:
        self.ends = multiprocessing.RawValue("d", -1)
        self.sentinel = os.getpid()

    @property
    def value(self) -> float:
        ends = self.ends.value
        return max(0.0, ends - time.monotonic()) if ends > 0 else ends

    @value.setter
    def value(self, seconds: float) -> None:
        if (
            os.getpid() != self.sentinel
        ):  # the sentinel decrements it, which a deadline makes needless
            self.ends.value = time.monotonic() + seconds if seconds > 0 else seconds

    def get_lock(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Pusher:
    """The pusher half of the merged `process`: it is finished once `pushed` is set."""

    def __init__(self, process: Any, pushed: Any) -> None:
        self.process, self.pushed = process, pushed
        self.pid, self.name = process.pid, process.name

    def is_alive(self) -> bool:
        return self.process.is_alive() and not self.pushed.is_set()


class _RestartOnCrash(logging.Handler):
    """Restarts the cluster when its sentinel reports that one of its processes died.

    django-q2 logs nothing else as CRITICAL; a test checks that. Other workers may hold answers to
    paid calls: they get LAST_ANSWERS_SECONDS to save them.
    """

    def __init__(self, stop: _StopFlag) -> None:
        super().__init__(level=logging.CRITICAL)
        self.stop = stop

    def emit(self, record: logging.LogRecord) -> None:
        scheduler.close()
        time.sleep(LAST_ANSWERS_SECONDS)
        _restart(self.stop)


def _restart(stop: _StopFlag) -> None:
    """Kill all children and execute this program again, unless it received a stop signal."""
    _kill_children()
    logger.warning("restarting the cluster")
    stop.wait(RESTART_SECONDS)
    # From here on signals are held until the new program listens: execv preserves the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if stop.is_set():
        os._exit(0)
    logging.shutdown()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _kill_children() -> None:
    children = multiprocessing.active_children()
    for child in children:
        child.kill()
    for child in children:
        child.join()


def die_with_parent(*, parent: int, signum: int = signal.SIGKILL) -> None:
    """Make the kernel send this process `signum` when `parent` dies (Linux only).

    `parent` is the process id as recorded before the fork: the parent may have died since.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:
            os._exit(1)


def _end_children_with_parent() -> None:
    """Make every process forked from here on die with its parent, and block its stop signals.

    Ctrl-C in a terminal and a SIGTERM to all processes (systemd, Heroku) are handled by the
    sentinel alone: it lets the workers finish their step.
    """
    parent = 0

    def before() -> None:
        nonlocal parent
        parent = os.getpid()

    def in_child() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        die_with_parent(parent=parent)

    os.register_at_fork(before=before, after_in_child=in_child)
