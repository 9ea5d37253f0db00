"""Metrics of the processes on this machine, in prometheus_client's multi-process mode.

Each process writes its counters and histograms to files in PROMETHEUS_MULTIPROC_DIR, and a scrape
adds up all files. prometheus_client names the files by process id. Then each process that ever ran
would make every scrape slower, and processes of two containers might have the same id. So here a
process writes the files of a slot: the lowest number that no other process has locked. There are
as many files as processes ran at the same time, and a counter continues where the last process of
its slot ended, however that process ended.
"""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MultiProcessValue, MutexValue

from videostudio.core.private_folder import private_folder

SLOTS = 512
# Of each file, written in advance: a process that writes to a memory-mapped file is killed if the
# disk is full. A file grows beyond this only if a metric has thousands of series.
FILE_BYTES = 524_288
FILES = ("counter", "histogram", "gauge_mostrecent")

logger = logging.getLogger(__name__)


def folder() -> Path:
    """Raises OSError if it cannot be made or is not private."""
    path = settings.PROMETHEUS_MULTIPROC_DIR or (
        f"{tempfile.gettempdir()}/videostudio-metrics-{os.getuid()}"
    )
    return private_folder(Path(path), what="metrics folder")


def collect() -> Iterable[Metric]:
    """The sums of the files of all slots."""
    try:
        files = [str(path) for path in folder().glob("*.db") if path.stat().st_size]
    except OSError:
        return []
    return MultiProcessCollector.merge(files)


def remove_unused() -> None:
    """Remove the files if no process uses them: those of an earlier version, for example.

    A web or a cluster calls this at its start.
    """
    try:
        with _locks().open("ab") as locks:
            fcntl.lockf(locks, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the slots of all processes
            for path in folder().glob("*.db"):
                path.unlink(missing_ok=True)
    except OSError:
        pass


@contextmanager
def log_errors() -> Iterator[None]:
    """Log an error of the code that counts, and go on without it.

    Otherwise the answer to a paid call could be lost because a folder was deleted.
    """
    try:
        yield
    except Exception:
        logger.exception("a metric could not be counted")


# ---- Definitions: modules that observe something define their metrics with these ----


def counter(name: str, what: str, *labels: str) -> Counter:
    return Counter(f"videostudio_{name}", what, labels, registry=None)


def histogram(name: str, what: str, *labels: str, buckets: Iterable[float]) -> Histogram:
    return Histogram(f"videostudio_{name}", what, labels, registry=None, buckets=(*buckets,))


def gauge(name: str, what: str, *labels: str) -> Gauge:
    """The value that any process of this machine has set last."""
    return Gauge(f"videostudio_{name}", what, labels, registry=None, multiprocess_mode="mostrecent")


# ---- Slots ----


class _Slot:
    """The slot of this process, which the process claims when it first needs it.

    Locks of `lockf` belong to one process: a forked process has to claim a slot of its own, and the
    kernel releases the slot when the process ends.
    """

    def __init__(self) -> None:
        self.is_needed = False
        self.forget()

    def forget(self) -> None:
        self.number: int | None = None
        self.is_lost = False  # no slot could be claimed

    def __call__(self) -> int:
        """For prometheus_client, which asks before each change whether the process has forked."""
        if self.number is None and self.is_needed and not self.is_lost:
            self._claim()
        return -1 if self.number is None else self.number

    def _claim(self) -> None:
        try:
            self.locks = _locks().open("ab")
            self.number = next(n for n in range(SLOTS) if self._lock(n))
            for name in FILES:
                _reserve(folder() / f"{name}_{self.number}.db")
        except (OSError, StopIteration) as error:
            self.number, self.is_lost = None, True
            logger.warning("the metrics of this process are not collected: %r", error)

    def _lock(self, number: int) -> bool:
        try:
            fcntl.lockf(self.locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except BlockingIOError:
            return False
        return True


def _locks() -> Path:
    """The byte N of this file, which stays empty, is locked by the process that uses the slot N."""
    return folder() / "slots.lock"


def _reserve(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(max(0, FILE_BYTES - file.tell())))


slot = _Slot()
os.register_at_fork(after_in_child=slot.forget)
_SharedValue = MultiProcessValue(slot)
slot.is_needed = True


def _value(*arguments: Any, **named: Any) -> Any:
    """A value in the files, or in memory if there is no slot."""
    with log_errors():
        if slot() >= 0:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder())  # read by prometheus_client
            return _SharedValue(*arguments, **named)
    return MutexValue(*arguments, **named)


values.ValueClass = _value
