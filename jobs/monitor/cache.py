"""Cached parts of the monitor's pages: each web process computes them once for all viewers."""

from collections.abc import Callable
from threading import RLock
from typing import TypeVar

from django.core.cache import caches

Value = TypeVar("Value")

SECONDS = 2
_lock = RLock()  # reentrant: `compute` may call this function too


def get_or_compute(key: str, compute: Callable[[], Value], *, seconds: float = SECONDS) -> Value:
    """The cached value, or what `compute` returns, which must not be None.

    One thread computes at a time while the others wait, so many viewers cost no more queries than
    one. If `compute` raises, nothing is cached.
    """
    cache = caches["monitor"]
    value: Value | None = cache.get(key)
    if value is None:
        with _lock:
            value = cache.get(key)
            if value is None:
                value = compute()
                cache.set(key, value, seconds)
    return value
