"""One HTTP request to a receiver: one try of a delivery, or a test.

requests-hardened resolves the host and connects to the address that it has checked, with the host's
name for the certificate. What it does not check is checked here: the rules of `addresses` for that
address, the time in all, the size of the response, and proxies from the environment.
"""

import contextlib
import http.client
import io
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
    """Send it once. Never raises: whatever goes wrong is in the outcome.

    The request runs in a thread of its own, because nothing can interrupt the look-up of a name.
    """
    started = monotonic()
    request = _Request(url, body, headers)
    thread = threading.Thread(target=request.run, daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    request.watch.end()
    status, error = request.status, request.error
    if status is not None:
        error = _refusal(status)
    elif not error:
        error = _sentence(TimeoutError())
    return Outcome(status, error, round((monotonic() - started) * 1000), request.retry_after)


class _Request:
    """The request, and what is known of its response so far."""

    def __init__(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        self.url, self.body, self.headers = url, body, headers
        self.watch = _Watch(monotonic() + TIMEOUT_SECONDS)
        self.status: int | None = None
        self.retry_after: int | None = None
        self.error = ""

    def run(self) -> None:
        _current.watch = self.watch
        try:
            self._post(addresses.host_of(addresses.check(self.url)))
        except Exception as problem:
            self.error = _sentence(TimeoutError() if self.watch.is_over() else problem)
        finally:
            self.watch.end()

    def _post(self, host: str) -> None:
        with requests.Session() as session:
            session.trust_env = False  # no proxies, no .netrc
            is_allowed = addresses.is_allowed(host)
            adapter: type[HTTPAdapter] = _AllowedHosts if is_allowed else _PublicHosts
            for scheme in ("https://", "http://"):
                session.mount(scheme, adapter())
            sent = {"Content-Type": "application/json", "User-Agent": USER_AGENT} | self.headers
            with session.post(
                self.url,
                data=self.body,
                headers=sent,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as response:
                self.retry_after = _retry_after(response.headers.get("Retry-After", ""))
                self.status = response.status_code
                with contextlib.suppress(Exception):  # the status alone counts
                    response.raw.read(MAX_READ_BYTES, decode_content=False)


# ---- The time and the bytes in all: requests limits the time of each single read ----


class _Watch:
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


_current = threading.local()


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
        self.timeout = _current.watch.seconds_left()
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        _current.watch.add(connected)
        return connected


class _Connection(_Watched, HTTPConnection):  # type: ignore[misc]  # response_class
    pass


class _SecureConnection(_Watched, HTTPSConnection):  # type: ignore[misc]
    pass


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


class _AllowedHosts(_Adapter):
    """For WEBHOOK_ALLOWED_HOSTS."""


class _PublicHosts(_Adapter, IPFilterAdapter):
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


def _sentence(problem: Exception) -> str:
    """What went wrong. The problem's own text may contain addresses of the network."""
    if isinstance(problem, addresses.RefusedUrl):
        return f"The URL {problem}."
    causes = [type(each).__name__ for each in _chain(problem)]
    if isinstance(problem, requests.Timeout | TimeoutError):
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
