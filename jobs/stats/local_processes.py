"""Memory and CPU of the processes on this machine, from Linux' /proc.

The heartbeats name them: a web process, whose parent is gunicorn's master, and a cluster's
supervisor. On other systems, and for processes of another container, there is nothing to read.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

from jobs.stats.processes import Kind, Processes

TICKS = os.sysconf("SC_CLK_TCK")  # in a second of CPU time
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PARENT, CPU_TIMES, RESIDENT_PAGES = 1, slice(11, 15), 21  # in /proc/PID/stat, after the name


@dataclass(frozen=True)
class Usage:
    """Of all processes of one kind. `cpu_seconds` includes children that have ended, so that it
    only increases."""

    resident_bytes: int = 0
    cpu_seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.resident_bytes + other.resident_bytes, self.cpu_seconds + other.cpu_seconds
        )


def usage(found: Processes) -> dict[str, Usage]:
    """By kind, of the live processes of this machine with all their children."""
    roots: dict[str, set[int]] = {Kind.WEB: set(), Kind.CLUSTER: set()}
    for row in found.rows:
        if row.host == gethostname()[:64] and not found.is_silent(row):
            stat = _stat(row.pid)
            if stat:
                roots[row.kind].add(int(stat[PARENT]) if row.kind == Kind.WEB else row.pid)
    return {kind: sum(_tree(pids), Usage()) for kind, pids in roots.items() if pids}


def _tree(pids: set[int]) -> Iterator[Usage]:
    for pid in pids:
        if stat := _stat(pid):
            ticks = sum(int(time) for time in stat[CPU_TIMES])
            yield Usage(int(stat[RESIDENT_PAGES]) * PAGE_BYTES, ticks / TICKS)
            yield from _tree(_children(pid))


def _stat(pid: int) -> list[str]:
    """The fields behind the process's name, which may contain anything, even brackets."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _children(pid: int) -> set[int]:
    """The processes that its main thread has forked."""
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return {int(child) for child in children.split()}
    return set()
