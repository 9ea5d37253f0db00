"""Throttles that count requests atomically, in the cache that all processes share."""

import hashlib
from typing import Any

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle


class WindowThrottle(SimpleRateThrottle):
    """Limits unsafe requests in a fixed time window. Subclasses set `scope`.

    DRF's own throttles read, extend and write a list, which loses simultaneous requests. This one
    increments a number. The cost of a fixed window: up to twice the rate around its boundary.
    """

    scope: str
    num_requests: int
    duration: int  # seconds
    now: float

    def identity(self, request: Request) -> str | None:
        """The identity to count: by default the address. None: do not count this request."""
        return self.get_ident(request) or ""

    def get_rate(self) -> str:
        return str(api_settings.DEFAULT_THROTTLE_RATES[self.scope])

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if (identity := self.identity(request)) is None:
            return None
        digest = hashlib.sha256(identity.encode(errors="surrogatepass")).hexdigest()
        return f"count:{self.scope}:{int(self.now // self.duration)}:{digest}"

    def allow_request(self, request: Request, view: Any) -> bool:
        self.now = self.timer()
        if request.method in SAFE_METHODS or (key := self.get_cache_key(request, view)) is None:
            return True
        return self._count(key) <= self.num_requests

    def _count(self, key: str) -> int:
        """Count this request; return the number of requests in its window so far."""
        timeout = self.duration + 60
        if hasattr(self.cache, "count"):  # CountingDatabaseCache: one statement
            return self.cache.count(key, timeout)
        self.cache.add(key, 0, timeout)
        try:
            return self.cache.incr(key)
        except ValueError:  # the cache was cleared between the two calls
            return 1

    def wait(self) -> float:
        """Seconds until the window ends."""
        return self.duration - self.now % self.duration
