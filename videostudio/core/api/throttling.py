"""Throttles that count requests atomically, in the cache that all processes share."""

import hashlib
import re
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle


def client_address(ident: str | None) -> str:
    """The address to count, without a port; for IPv6 the /64, all of which one client may use."""
    ident = ident or ""
    text = re.sub(r"^\[(.*)\](:\d+)?$|^([\d.]+):\d+$", lambda found: found[1] or found[3], ident)
    try:
        address = ip_address(text)
    except ValueError:
        return ident
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)


class WindowThrottle(SimpleRateThrottle):
    """Limits unsafe requests in a fixed time window. Subclasses set `scope` and `counted`.

    DRF's own throttles read, extend and write a list, which loses simultaneous requests. This one
    increments a number. The cost of a fixed window: up to twice the rate around its boundary.
    """

    scope: str
    counted: str  # what is counted, for a person: "requests from one address"
    num_requests: int
    duration: int  # seconds
    now: float
    count: int | None = None  # of this window, once the request is counted
    key: str | None = None

    def identity(self, request: Request) -> str | None:
        """The identity to count: by default the address. None: do not count this request."""
        return client_address(self.get_ident(request))

    def get_rate(self) -> str:
        return str(api_settings.DEFAULT_THROTTLE_RATES[self.scope])

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if (identity := self.identity(request)) is None:
            return None
        digest = hashlib.sha256(identity.encode(errors="surrogatepass")).hexdigest()
        return f"count:{self.scope}:{int(self.now // self.duration)}:{digest}"

    def allow_request(self, request: Request, view: Any) -> bool:
        self.now = self.timer()
        if request.method in SAFE_METHODS:
            return True
        self.key = self.get_cache_key(request, view)
        if self.key is None:
            return True
        self.count = self._add(self.key, 1)
        return self.count <= self.num_requests

    def uncount(self) -> None:
        """Take back the count of this request."""
        if self.key is not None:
            self.count = self._add(self.key, -1)

    def _add(self, key: str, delta: int) -> int:
        """Add to the number of requests in the window of `key`; return it."""
        timeout = self.duration + 60
        if hasattr(self.cache, "count"):  # CountingDatabaseCache: one statement
            return self.cache.count(key, timeout, delta)
        self.cache.add(key, 0, timeout)
        try:
            return self.cache.incr(key, delta)
        except ValueError:  # the cache was cleared between the two calls
            return max(delta, 0)

    def wait(self) -> float:
        """Seconds until the window ends."""
        return self.duration - self.now % self.duration

    def refusal(self) -> str:
        """The limit that was reached, as a sentence for a person."""
        limit = f"At most {self.num_requests} {self.counted} are allowed in {self._period()}"
        return f"{limit}. Try again in {ceil(self.wait())} seconds."

    def headers(self) -> dict[str, str]:
        """This throttle's items of `RateLimit-Policy` and `RateLimit`
        (draft-ietf-httpapi-ratelimit-headers); empty if the request was not counted."""
        if self.count is None:
            return {}
        remaining = max(0, self.num_requests - self.count)
        return {
            "RateLimit-Policy": f'"{self.scope}";q={self.num_requests};w={self.duration}',
            "RateLimit": f'"{self.scope}";r={remaining};t={ceil(self.wait())}',
        }

    def _period(self) -> str:
        names = {1: "a second", 60: "a minute", 3600: "an hour", 86400: "a day"}
        return names.get(self.duration, f"{self.duration} seconds")


class UserThrottle(WindowThrottle):
    """Counts the requests of each user."""

    def identity(self, request: Request) -> str:
        return str(request.user.pk)
