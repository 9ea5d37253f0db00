"""Metrics of the calls to Google, to the storage, and to the receivers of webhooks."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic

from prometheus_client import Counter, Histogram

from videostudio.core.process_metrics import counter, histogram, log_errors

BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds
OK, NO_ANSWER = "ok", "no answer"

_google_calls = counter("google_calls", "Calls to Google Veo", "call", "model", "result")
_google_durations = histogram(
    "google_call_duration_seconds", "Of a call to Google Veo", "call", "model", buckets=BUCKETS
)
_storage_calls = counter("storage_calls", "Calls to the storage for videos", "call", "result")
_storage_durations = histogram(
    "storage_call_duration_seconds", "Of a call to the storage", "call", buckets=BUCKETS
)
_webhook_attempts = counter("webhook_attempts", "Requests to receivers of webhooks", "result")
_webhook_durations = histogram(
    "webhook_attempt_duration_seconds", "Of such a request", "result", buckets=BUCKETS
)


def google(call: str, *, model: str) -> AbstractContextManager[None]:
    """Observe the block, which makes this call."""
    return _observed(_google_calls, _google_durations, call, model)


def storage(call: str) -> AbstractContextManager[None]:
    return _observed(_storage_calls, _storage_durations, call)


@log_errors()
def webhook_attempted(*, status: int | None, seconds: float) -> None:
    """`status` is None if there was no response. Receivers choose it, so only its class counts."""
    result = f"{status // 100}xx" if status else NO_ANSWER
    _webhook_attempts.labels(result).inc()
    _webhook_durations.labels(result).observe(seconds)


def result_of(error: BaseException | None) -> str:
    """The label of a call's result: "ok", an HTTP status, or the kind of error."""
    if error is None:
        return OK
    return str(getattr(error, "status", None) or type(error).__name__)


@contextmanager
def _observed(calls: Counter, durations: Histogram, *labels: str) -> Iterator[None]:
    started, result = monotonic(), OK
    try:
        yield
    except Exception as error:
        result = result_of(error)
        raise
    finally:
        with log_errors():
            calls.labels(*labels, result).inc()
            durations.labels(*labels).observe(monotonic() - started)
