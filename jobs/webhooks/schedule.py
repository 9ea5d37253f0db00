"""When a delivery is tried again."""

import random
from datetime import timedelta

MINUTE, HOUR = 60, 3600
# Seconds from each try to the next; the first try is at once (Standard Webhooks 1.0).
DELAYS = (
    *(5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR),
    24 * HOUR,
)
JITTER = 0.1
FAILING_LIMIT = timedelta(days=7)  # the webhook is switched off after so long without a success


def delay_after(attempts: int, *, retry_after: int | None) -> timedelta | None:
    """The time from the failed try number `attempts` to the next; None if that was the last.

    `retry_after` is the receiver's Retry-After in seconds: the next try is not earlier.
    """
    if attempts > len(DELAYS):
        return None
    seconds = DELAYS[attempts - 1] * random.uniform(1, 1 + JITTER)
    return timedelta(seconds=max(seconds, retry_after or 0))
