"""The web processes and clusters of all machines. Each writes a row every fifteen seconds.

A process that ends normally deletes its row. The row of a killed one remains and is "silent" after
a minute, until a new process of its kind starts on the same host, or housekeeping removes it.
"""

import logging
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from socket import gethostname
from threading import Event, Thread
from time import monotonic

from django.conf import settings
from django.db import Error, connection
from django.db.models import QuerySet
from django.utils import timezone

from jobs.models import Heartbeat

logger = logging.getLogger(__name__)

Kind = Heartbeat.Kind
BEAT_SECONDS = 15
SILENT = timedelta(seconds=60)
RETENTION = timedelta(hours=3)  # of rows of silent processes
COLUMNS = ("kind", "host", "pid")
PACKAGES = ("accounts", "jobs", "tokens_ledger", "videostudio")


# ---- Writing ----


class Heart:
    """The row of one process."""

    def __init__(self, *, kind: Kind) -> None:
        self.started_at, self.version = timezone.now(), version()
        self.identity = {"kind": kind, "host": gethostname()[:64], "pid": os.getpid()}
        self.next_beat = 0.0
        self.is_first = True
        self.stopped = Event()

    def beat(self) -> None:
        """Write the row if BEAT_SECONDS have passed. A database error is only logged."""
        if monotonic() < self.next_beat:
            return
        self.next_beat = monotonic() + BEAT_SECONDS
        row = Heartbeat(
            **self.identity,
            version=self.version,
            started_at=self.started_at,
            seen_at=timezone.now(),
        )
        changed = ["version", "started_at", "seen_at"]
        try:
            if self.is_first:
                self._delete_killed()
            Heartbeat.objects.bulk_create(
                [row], update_conflicts=True, unique_fields=COLUMNS, update_fields=changed
            )
            self.is_first = False
        except Error as error:
            logger.warning("no heartbeat: %s", type(error).__name__)
            connection.close()

    def stop(self) -> None:
        """Delete the row: the process ends normally."""
        self.stopped.set()
        with suppress(Error):  # housekeeping deletes it
            Heartbeat.objects.filter(**self.identity).delete()

    def beat_until_stopped(self) -> None:
        """The loop of a thread, which keeps no connection between two beats."""
        while not self.stopped.is_set():
            self.beat()
            connection.close()
            self.stopped.wait(BEAT_SECONDS)

    def _delete_killed(self) -> None:
        """Delete the rows of processes that this one may replace."""
        same = Heartbeat.objects.filter(kind=self.identity["kind"], host=self.identity["host"])
        for row in same:
            if not _exists(row.pid):
                row.delete()


def beat_in_thread(*, kind: Kind) -> Heart:
    """A row for this process, which a thread keeps up to date even while the process is idle."""
    heart = Heart(kind=kind)
    Thread(target=heart.beat_until_stopped, name="heartbeat", daemon=True).start()
    return heart


@cache
def version() -> str:
    """Twelve digits of a hash of the Python files, the same wherever the same code runs."""
    digest = sha256()
    for package in PACKAGES:
        for path in sorted(Path(settings.BASE_DIR, package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


# ---- Reading ----


@dataclass(frozen=True)
class Processes:
    rows: list[Heartbeat]  # by kind, host and start
    now: datetime

    def is_silent(self, row: Heartbeat) -> bool:
        return self.now - row.seen_at > SILENT

    def alive(self) -> Mapping[tuple[str, str], int]:
        """The number of live processes by kind and version."""
        return Counter((row.kind, row.version) for row in self.rows if not self.is_silent(row))

    def silent(self, kind: str) -> list[Heartbeat]:
        return [row for row in self.rows if row.kind == kind and self.is_silent(row)]

    def oldest_age(self, kind: str) -> float:
        """Seconds since the oldest heartbeat of this kind; 0 if there is none."""
        ages = ((self.now - row.seen_at).total_seconds() for row in self.rows if row.kind == kind)
        return max(ages, default=0)


def current(*, now: datetime) -> Processes:
    rows = Heartbeat.objects.order_by("kind", "host", "started_at")
    return Processes(rows=list(rows), now=now)


def expired(*, now: datetime) -> QuerySet[Heartbeat]:
    """The rows of processes that have been silent for hours."""
    return Heartbeat.objects.filter(seen_at__lt=now - RETENTION)
