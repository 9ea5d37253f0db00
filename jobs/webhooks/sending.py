"""One HTTP request to a receiver: one try of a delivery, or a test."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

import requests
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter import InvalidIPAddress

from jobs.webhooks import addresses, connections

TIMEOUT_SECONDS = 15.0
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
    """Send it once. Never raises: the outcome contains the error.

    The request runs in its own thread, because nothing can interrupt a DNS look-up.
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
    """The request, and the part of its response that has arrived."""

    def __init__(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        self.url, self.body, self.headers = url, body, headers
        self.watch = connections.Watch(monotonic() + TIMEOUT_SECONDS)
        self.status: int | None = None
        self.retry_after: int | None = None
        self.error = ""

    def run(self) -> None:
        connections.current.watch = self.watch
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
            adapter: type[HTTPAdapter] = (
                connections.AllowedHosts if is_allowed else connections.PublicHosts
            )
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
                with contextlib.suppress(Exception):  # only the status counts
                    response.raw.read(connections.MAX_READ_BYTES, decode_content=False)


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
        except (ValueError, OverflowError):
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = round((moment - datetime.now(UTC)).total_seconds())
    return min(max(seconds, 0), MAX_RETRY_AFTER)
