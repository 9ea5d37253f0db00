"""One HTTP request to a receiver: one try of a delivery, or a test.

requests-hardened resolves the host and connects to the address that it has checked, with the host's
name for the certificate. What it does not check is checked here: the rules of `addresses` for that
address, the time in all, the size of the response, and proxies from the environment.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from ssl import SSLContext
from time import monotonic
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from jobs.webhooks import addresses

TIMEOUT_SECONDS = 15.0
MAX_READ_BYTES = 16_384
MAX_RETRY_AFTER = 24 * 3600  # seconds
USER_AGENT = "VideoStudio-Webhooks/1"


@dataclass(frozen=True)
class Outcome:
    """`status` is None if there was no response. `error` is a sentence, or "" for success."""

    status: int | None
    error: str
    milliseconds: int
    retry_after: int | None = None  # seconds

    @property
    def is_success(self) -> bool:
        return not self.error


def post(*, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    """Send it once. Never raises: whatever goes wrong is in the outcome."""
    started = monotonic()
    status, error, retry_after = None, "", None
    with _deadline(started + TIMEOUT_SECONDS) as watch:
        try:
            parts = addresses.check(url)
            status, retry_after = _post(url, body, headers, addresses.host_of(parts))
            error = _refusal(status)
        except Exception as problem:
            error = _sentence(problem, timed_out=watch.is_over())
    return Outcome(status, error, round((monotonic() - started) * 1000), retry_after)


def _post(url: str, body: bytes, headers: dict[str, str], host: str) -> tuple[int, int | None]:
    with requests.Session() as session:
        session.trust_env = False  # no proxies, no .netrc
        adapter: type[HTTPAdapter] = _AllowedHosts if addresses.is_allowed(host) else _PublicHosts
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter())
        sent = {"Content-Type": "application/json", "User-Agent": USER_AGENT} | headers
        with session.post(
            url,
            data=body,
            headers=sent,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as response:
            with contextlib.suppress(Exception):  # the status alone counts
                response.raw.read(MAX_READ_BYTES, decode_content=False)
            return response.status_code, _retry_after(response.headers.get("Retry-After", ""))


# ---- The time in all ----


class _Watch:
    """Ends the connection of this thread's request when the time is over."""

    def __init__(self, end: float) -> None:
        self.end = end
        self.connections: list[int] = []

    def is_over(self) -> bool:
        return monotonic() >= self.end

    def add(self, connection: Any) -> None:
        if self.is_over():  # the look-up of the name took too long
            raise TimeoutError
        self.connections.append(os.dup(connection.sock.fileno()))

    def shut_down(self) -> None:
        for descriptor in self.connections:
            with contextlib.suppress(OSError):
                duplicate = socket.socket(fileno=os.dup(descriptor))
                with duplicate:
                    duplicate.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for descriptor in self.connections:
            os.close(descriptor)
        self.connections.clear()


_current = threading.local()


@contextlib.contextmanager
def _deadline(end: float) -> Iterator[_Watch]:
    """requests' own time-out is that of each single read."""
    watch = _current.watch = _Watch(end)
    timer = threading.Timer(end - monotonic(), watch.shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()
        watch.close()
        del _current.watch


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _current.watch.add(self)


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _current.watch.add(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


# ---- Who may be connected to ----


@cache
def _certificates() -> SSLContext:
    """One for all connections, because loading the authorities takes longer than a request."""
    context = create_urllib3_context()
    context.load_verify_locations(certifi.where())
    return context


class _Watched(HTTPAdapter):
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


class _AllowedHosts(_Watched):
    """For WEBHOOK_ALLOWED_HOSTS."""


class _PublicHosts(_Watched, IPFilterAdapter):
    """For all other hosts."""

    def __init__(self) -> None:
        super().__init__(is_https_proto=True)  # type: ignore[call-arg]  # it has no types

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        address = ip_address(host["host"].strip("[]").partition("%")[0])
        if not addresses.is_public(address):
            raise InvalidIPAddress(address)
        return host, pool


# ---- What is said about it ----


def _refusal(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"The receiver answered {status}. Redirects are not followed: change the URL."
    return f"The receiver answered {status}."


def _sentence(problem: Exception, *, timed_out: bool) -> str:
    """What went wrong. The problem's own text may contain addresses of the network."""
    if isinstance(problem, addresses.RefusedUrl):
        return f"The URL {problem}."
    causes = [type(each).__name__ for each in _chain(problem)]
    if timed_out or isinstance(problem, requests.Timeout | TimeoutError):
        return f"There was no answer within {TIMEOUT_SECONDS:.0f} seconds."
    if isinstance(problem, InvalidIPAddress):
        return "The URL's host has no public address."
    if isinstance(problem, requests.exceptions.SSLError):
        return "The receiver's certificate is not valid."
    if "gaierror" in causes or "NameResolutionError" in causes:
        return "The URL's host cannot be found."
    return "The connection failed."


def _chain(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        yield from (each for each in problem.args if isinstance(each, BaseException))
        reason = getattr(problem.args[0], "reason", None) if problem.args else None
        if isinstance(reason, BaseException):
            yield reason
        problem = problem.__cause__ or problem.__context__


def _retry_after(value: str) -> int | None:
    """The seconds that the header asks to wait, at most a day; None if it is absent or invalid."""
    try:
        seconds = int(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = round((moment - datetime.now(UTC)).total_seconds())
    return min(max(seconds, 0), MAX_RETRY_AFTER)
