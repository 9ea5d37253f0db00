"""What many viewers ask for at the same time, found out once for all web processes of a machine.

It lies in a file without a name that the processes inherit from gunicorn's master, which starts
them. The kernel lets go of a dead process's lock, and of the file when the last of them ends.
"""

import fcntl
import os
import pickle
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from tempfile import TemporaryFile
from time import monotonic
from typing import Any, NamedTuple
from zlib import crc32

QUERIES_A_SECOND = 2.0
SLOWEST = 5.0  # times as slow as wished, however many things are looked at
LOOKED_AT = 12.0  # seconds; what was not renewed for so long is looked at by nobody
TOO_OLD = 15.0  # seconds; who finds it that old waits for what is true now
KEPT = 40  # things; those renewed longest ago are forgotten first
HEAD = struct.Struct(">QII")  # which writing it is, and the length and check sum of what follows


@dataclass(frozen=True)
class Kind:
    """Something to find out `every` so many seconds, at the cost of `queries`."""

    every: float
    queries: int


class Entry(NamedTuple):
    value: Any
    kind: Kind
    found_at: float  # on the clock that all processes of a machine share


Entries = dict[str, Entry]


class Shared:
    """`get` answers from what is known, and has one thread of one process find out anew.

    All that is looked at costs the database QUERIES_A_SECOND: the more that is, the less often each
    is found out anew, down to SLOWEST. What nobody knows yet is found out at once.
    """

    def __init__(self) -> None:
        with TemporaryFile() as file:
            self._file = os.dup(file.fileno())
        self._one_thread = threading.Lock()
        self._head = b""
        self._entries: Entries = {}

    def get(self, key: str, kind: Kind, find_out: Callable[[], Any]) -> Any:
        entries = self._read()
        known = entries.get(key)
        if known and _is_young(known, entries):
            return known.value
        must_wait = known is None or _age(known) > TOO_OLD
        with self._alone(wait=must_wait) as alone:
            entries = self._read()
            known = entries.get(key)
            if known and (not alone or _is_young(known, entries)):
                return known.value  # another is at it, or has just done it
            found = Entry(find_out(), kind, monotonic())
            others = ((name, entry) for name, entry in entries.items() if name != key)
            self._write({key: found} | dict(islice(others, KEPT - 1)))
        return found.value

    def forget(self) -> None:
        with self._alone(wait=True):
            self._write({})

    @contextmanager
    def _alone(self, *, wait: bool) -> Iterator[bool]:
        """Whether this thread of this process is the one; with `wait` it becomes the one."""
        if not self._one_thread.acquire(blocking=wait):
            yield False
            return
        try:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            try:
                yield True
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
        finally:
            self._one_thread.release()

    def _read(self) -> Entries:
        """Reads without a lock; half a writing is told by its check sum, and read the next time."""
        head = os.pread(self._file, HEAD.size, 0)
        if head and head != self._head:
            _, length, check_sum = HEAD.unpack(head)
            content = os.pread(self._file, length, HEAD.size)
            if crc32(content) == check_sum:
                self._head, self._entries = head, pickle.loads(content)
        return self._entries

    def _write(self, entries: Entries) -> None:
        content = pickle.dumps(entries)
        number = HEAD.unpack(self._head)[0] + 1 if self._head else 1
        head = HEAD.pack(number, len(content), crc32(content))
        os.pwrite(self._file, head + content, 0)
        self._head, self._entries = head, entries


def _is_young(entry: Entry, entries: Entries) -> bool:
    looked_at = [each.kind for each in entries.values() if _age(each) < LOOKED_AT]
    load = sum(kind.queries / kind.every for kind in looked_at) / QUERIES_A_SECOND
    return _age(entry) < entry.kind.every * min(max(load, 1.0), SLOWEST)


def _age(entry: Entry) -> float:
    return monotonic() - entry.found_at
