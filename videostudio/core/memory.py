"""The C library's memory allocation."""

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD = -3  # malloc.h


def return_large_blocks() -> None:
    """Return blocks of 1 MB or more to the system as soon as they are freed, here and in forks.

    By default glibc soon retains them, in an arena for each thread: 1.5 GB in a worker after a
    hundred videos of 20 MB, and 850 MB in a web process after eight orders of 20 MB.
    """
    with suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1_000_000)
