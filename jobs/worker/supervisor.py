"""A Django-Q2 cluster that dies rather than hangs, and begins anew.

A stock cluster (django-q2 1.11.1) can be blocked for ever by one killed worker: the dead process
held the queue's lock. And a killed parent leaves orphans that go on taking tasks. So here every
process dies with its parent, and once one of its processes has died, the sentinel kills the others
and executes its own program again, under the same process number. The jobs' rows say what is next,
so nothing is lost by it. The sentinel itself is started again by whoever runs it.
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
GRACE_SECONDS = 25  # for a step that is on its way when the cluster is asked to stop
RESTART_SECONDS = 1.0
LAST_ANSWERS_SECONDS = 4.0
# Of a worker, from its start; in the unit in which the kernel tells it.
GROWTH = 25_000_000 if sys.platform == "darwin" else 25_000


def run() -> None:
    """A cluster until SIGTERM or SIGINT; a second signal ends it without grace."""
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
        logger.exception("the cluster broke")
        _restart(stop)


class _StopFlag:
    """The Event that a sentinel waits for, set by a signal: without the lock of a real one, which a
    signal could find taken by this thread."""

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
        if os.getpid() != self.pid:  # a child that was forked just now
            return
        if self.is_up:
            _kill_children()
            os._exit(0)
        self.is_up = True
        scheduler.close()
        signal.alarm(GRACE_SECONDS)

    def _on_timeout(self, signum: int, frame: object) -> None:
        logger.warning("the cluster did not stop in time and is killed")
        _kill_children()
        os._exit(0)


def _load_before_fork() -> None:
    """Once, before any fork: the SDKs take a second to import, and their pages can be shared."""
    if veo_is_configured():
        import jobs.providers.veo

        try:
            provider_for(mock_mode=False)
        except NotConfigured:  # as each job that needs it will be told
            logger.exception("a provider is not set up")
    if settings.USE_CLOUDINARY:
        import jobs.storage.cloudinary  # noqa: F401
    gc.collect()
    gc.freeze()  # what the collector does not touch stays shared between processes
    # Large blocks go back to the system when they are freed. glibc would soon keep them, for each
    # thread its own: 1.5 GB for a hundred videos of 20 MB, though few are in memory at a time.
    with suppress(AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1_000_000)


def _prepared() -> bool:
    """False where the database is gone, or has no tables yet: the next try may find it."""
    try:
        scheduler.prepare()
    except DatabaseError as error:
        logger.warning("no cluster without its database, migrated: %s", type(error).__name__)
        return False
    cleanup.delete_stale_files(now=timezone.now())
    connections.close_all()  # the cluster's processes open their own
    return True


def _limit_memory_growth(**_: Any) -> None:
    """Of a new worker: one that has handled large videos, and keeps their memory, makes room for
    the next. From its fork on: what the kernel tells of a program counts what was before it too."""
    Conf.MAX_RSS = getrusage(RUSAGE_SELF).ru_maxrss + GROWTH


def _sentinel(stop: _StopFlag) -> None:
    """Django-Q2's cluster in this process, with one process less: one brings tasks and takes
    results."""

    class Here(Sentinel):
        def spawn_worker(self) -> None:
            self.spawn_process(worker, self.task_queue, self.result_queue, _Timer(), self.timeout)

        def status(self) -> str:
            """Without a look at the queues, while they are in use: that takes a lock too."""
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
            stop.listen()  # again: a sentinel begins by having its signals ignored
            super().guard()

    Conf.QSIZE = False  # nor does it ask the queues how much is in them
    gc.freeze()  # what was made since the last time
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    Here(stop, threading.Event(), uuid4())


class _Timer:
    """How many seconds a worker's task may still take; -1 for an idle one, -2 for a recycled one.

    The stock one, a multiprocessing.Value, has a lock, and a worker that is killed while it holds
    it blocks the sentinel for ever. This one has none: only the worker writes, and one number.
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
        if os.getpid() != self.sentinel:  # which takes off what has passed, but that is known
            self.ends.value = time.monotonic() + seconds if seconds > 0 else seconds

    def get_lock(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Pusher:
    """The part of a `process` that has ended once it has `pushed` its last task."""

    def __init__(self, process: Any, pushed: Any) -> None:
        self.process, self.pushed = process, pushed
        self.pid, self.name = process.pid, process.name

    def is_alive(self) -> bool:
        return self.process.is_alive() and not self.pushed.is_set()


class _RestartOnCrash(logging.Handler):
    """Has the cluster begin anew when its sentinel reports that one of its processes died.

    Such a report is the one thing that django-q2 logs as CRITICAL; a test holds it to that. What
    the other workers have on its way, and may have paid for, gets a little time to be noted.
    """

    def __init__(self, stop: _StopFlag) -> None:
        super().__init__(level=logging.CRITICAL)
        self.stop = stop

    def emit(self, record: logging.LogRecord) -> None:
        scheduler.close()
        time.sleep(LAST_ANSWERS_SECONDS)
        _restart(self.stop)


def _restart(stop: _StopFlag) -> None:
    """Kill what is left of the cluster and execute this program again, unless it is to end."""
    _kill_children()
    logger.warning("the cluster ended and is started again")
    stop.wait(RESTART_SECONDS)
    # From here on a signal waits until the new program listens: execv keeps the mask.
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
    """Have the kernel send this process `signum` when `parent` dies (Linux only).

    `parent` is what the process that forked knew itself as: it may have died since.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:
            os._exit(1)


def _end_children_with_parent() -> None:
    """For all processes that are forked from here on, and their children.

    A terminal's Ctrl-C and a SIGTERM sent to all processes (systemd, Heroku) are for the sentinel
    alone: workers finish their step when it tells them to.
    """
    forker = 0

    def before() -> None:
        nonlocal forker
        forker = os.getpid()

    def in_child() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        die_with_parent(parent=forker)

    os.register_at_fork(before=before, after_in_child=in_child)
