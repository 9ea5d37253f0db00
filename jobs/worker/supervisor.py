"""Runs an unmodified Django-Q2 cluster, and replaces it when a process dies or hangs.

A cluster (django-q2 1.11.1) replaces a killed process, but the others may hang, because the killed
process may have held a lock of their queues. Its processes also continue without their parent. So
here every process dies with its parent, and one death ends the whole cluster. Nothing is lost,
because the jobs' rows hold all state. The supervisor is the parent of the cluster's sentinel:

    supervisor ── sentinel ── workers, pusher, monitor
"""

import ctypes
import gc
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from resource import RUSAGE_SELF, getrusage
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections
from django.utils import timezone
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.signals import post_execute_in_worker, post_spawn, pre_execute

from jobs.providers import provider_for, veo_is_configured
from jobs.providers.base import NotConfigured
from jobs.stats import counters
from jobs.stats.processes import Heart, Kind
from jobs.worker import cleanup, scheduler, shared
from jobs.worker.shared import state
from jobs.worker.watchdog import Watchdog
from videostudio.core import process_metrics
from videostudio.core.memory import return_large_blocks

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
GRACE_SECONDS = 25  # for running steps, after the signal to stop
CHECK_SECONDS = 0.5
RESTART_SECONDS = 1.0
LAST_ANSWERS_SECONDS = 4.0
# How much a worker may grow after its start, in the unit of ru_maxrss on this platform.
MAX_GROWTH = 25_000_000 if sys.platform == "darwin" else 25_000


def run() -> None:
    """Run clusters, one after the other, until SIGTERM or SIGINT."""
    supervisor = Supervisor()
    supervisor.listen()
    process_metrics.remove_unused()
    heart = shared.heart = Heart(kind=Kind.CLUSTER)
    _load_before_fork()
    _end_children_with_parent()
    logging.getLogger("django-q").addHandler(_DeathHandler(level=logging.CRITICAL))
    post_spawn.connect(_limit_memory_growth)
    pre_execute.connect(shared.task_starts)
    post_execute_in_worker.connect(shared.task_ends)
    while not supervisor.is_stopping:
        try:
            if _prepared() and not supervisor.is_stopping:
                supervisor.run_cluster()
        except Exception:
            logger.exception("the cluster crashed")
        if not supervisor.is_stopping:
            time.sleep(RESTART_SECONDS)
    heart.stop()


class Supervisor:
    """Starts, watches and ends one cluster at a time."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.cluster: Cluster | None = None

    def listen(self) -> None:
        for each in (*SIGNALS, signal.SIGALRM):
            signal.signal(each, self._on_signal)

    def run_cluster(self) -> None:
        """Run a cluster until it hangs, loses a process, or the supervisor is stopped."""
        shared.reset()
        self.cluster = cluster = Cluster()
        self.listen()  # Cluster() installed its own handlers
        try:
            cluster.start()
            if problem := self._watch(cluster):
                logger.warning("restarting the cluster: %s", problem)
                state.is_stopping = True
                time.sleep(LAST_ANSWERS_SECONDS)  # workers may hold answers to paid calls
            else:
                cluster.stop()
        finally:
            self._kill_cluster()
        if problem:
            with suppress(DatabaseError):
                counters.inc(name=counters.RESTARTS, kind=problem, value="")

    def _watch(self, cluster: Cluster) -> str:
        """Wait until the cluster must be replaced, and return why; "" when the supervisor stops."""
        watchdog = Watchdog()
        while not self.is_stopping:
            problem = watchdog.problem() if cluster.sentinel.is_alive() else "the sentinel died"
            if problem:
                return problem
            time.sleep(CHECK_SECONDS)
        return ""

    def _kill_cluster(self) -> None:
        """Kill the sentinel's process group: the sentinel and its children."""
        sentinel = self.cluster and self.cluster.sentinel
        if sentinel and sentinel.pid:
            with suppress(ProcessLookupError):  # all its processes have ended
                os.killpg(sentinel.pid, signal.SIGKILL)
            sentinel.join()

    def _on_signal(self, signum: int, frame: object) -> None:
        """Stop. A second signal, or the end of the grace period, kills the cluster at once."""
        if self.is_stopping:
            if signum == signal.SIGALRM:
                logger.warning("the cluster did not stop in time and was killed")
            self._kill_cluster()
            os._exit(0)
        self.is_stopping = state.is_stopping = True
        signal.alarm(GRACE_SECONDS)


class _DeathHandler(logging.Handler):
    """Notes that the sentinel found a dead process, which is all that django-q2 logs as CRITICAL
    (a test checks that). A recycled worker is not a dead process."""

    def emit(self, record: logging.LogRecord) -> None:
        state.process_died = True


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
    return_large_blocks()


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
    supervisor alone: it lets the workers finish their step. The sentinel leads a process group, so
    that it can be killed together with its children.
    """
    supervisor = parent = os.getpid()

    def before() -> None:
        nonlocal parent
        parent = os.getpid()

    def in_child() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if parent == supervisor:
            os.setpgid(0, 0)
        die_with_parent(parent=parent)

    os.register_at_fork(before=before, after_in_child=in_child)
