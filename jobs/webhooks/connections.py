"""Connections to a receiver with limits of time, bytes and addresses.

requests-hardened resolves the host and connects to the address that it has checked, with the host's
name for the certificate. What it does not check is checked here: the rules of `addresses` for that
address, the total time, and the size of the response.
"""

import contextlib
import http.client
import io
import socket
import threading
from functools import cache
from ipaddress import ip_address
from ssl import SSLContext
from time import monotonic
from typing import Any

import certifi
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from jobs.webhooks import addresses

MAX_READ_BYTES = 16_384

# ---- Limits of total time and bytes: requests limits only each single read ----


class Watch:
    """The end of a request's time, and its sockets, which are closed then."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.sockets: list[socket.socket] = []
        self.has_ended = False
        self.lock = threading.Lock()

    def is_over(self) -> bool:
        return monotonic() >= self.until

    def seconds_left(self) -> float:
        if self.is_over():  # the look-up of the name took too long
            raise TimeoutError
        return self.until - monotonic()

    def add(self, connected: socket.socket) -> None:
        with self.lock:
            if self.has_ended:
                raise TimeoutError
            self.sockets.append(connected.dup())

    def end(self) -> None:
        """Interrupt every read and write."""
        with self.lock:
            self.has_ended = True
            for each in self.sockets:
                with each, contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self.sockets.clear()


current = threading.local()  # `watch`: the Watch of the request that this thread makes


class _LimitedReader(io.RawIOBase):
    """Ends after MAX_READ_BYTES: status line, headers and body together."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self.raw, self.left = raw, MAX_READ_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if not self.left:
            return 0
        count = self.raw.readinto(memoryview(buffer)[: self.left])
        self.left -= count or 0
        return count

    def close(self) -> None:
        self.raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = io.BufferedReader(_LimitedReader(self.fp.detach()))


class _Watched:
    """A connection that is watched from its first packet: TLS follows `_new_conn`."""

    response_class = _Response

    def _new_conn(self) -> socket.socket:
        self.timeout = current.watch.seconds_left()
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        current.watch.add(connected)
        return connected


class _Connection(_Watched, HTTPConnection):  # type: ignore[misc]  # response_class
    pass


class _SecureConnection(_Watched, HTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


# ---- Allowed addresses ----


@cache
def _certificates() -> SSLContext:
    """One for all connections, because loading the authorities takes longer than a request."""
    context = create_urllib3_context()
    context.load_verify_locations(certifi.where())
    return context


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        if host["scheme"] == "https":
            pool["ssl_context"] = _certificates()
            pool.pop("ca_certs", None)
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The authorities are in the context already; requests would load them again."""


class AllowedHosts(_Adapter):
    """For WEBHOOK_ALLOWED_HOSTS."""


class PublicHosts(_Adapter, IPFilterAdapter):
    """For all other hosts."""

    def __init__(self) -> None:
        super().__init__(is_https_proto=True)  # type: ignore[call-arg]  # it has no types

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        address = ip_address(host["host"].strip("[]").partition("%")[0])
        if not addresses.is_public(address):
            raise InvalidIPAddress(address)
        return host, pool
