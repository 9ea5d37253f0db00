"""Send due deliveries, in a thread beside the worker's tasks.

Not in a task, because a slow receiver holds a connection for 15 seconds, and a cluster has few
workers. One process at a time sends, for the whole installation, so that the limit of connections
to one host holds; another takes over when its lease ends. Rows are claimed with a lease, so a
delivery whose sender died is sent again, with the same id.
"""

import logging
import threading
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from jobs.models import WebhookDelivery, WebhookSender
from jobs.stats import call_metrics
from jobs.webhooks import records, secrets, sending
from jobs.webhooks.destinations import Destination, DueDestinations
from jobs.worker import outage
from jobs.worker.shared import state
from jobs.worker.webhook_limits import Limits

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)  # must outlast several renewal intervals
RENEW_LEASES_SECONDS = 8.0
SENDER_LEASE = timedelta(seconds=5)
RENEW_SECONDS = 1.0
WAIT_SECONDS = 0.2  # between two claims
MORE_SECONDS = 0.05  # between two claims, if the first one found something
IDLE_SECONDS = 10.0  # without a delivery; then the thread ends
STOP_SECONDS = 4.0  # how long a process that ends waits for open connections

_thread: threading.Thread | None = None


def deliver_due() -> None:
    """Start this process's sender if something is due and no other process sends."""
    global _thread
    if _thread is not None and _thread.is_alive():
        return
    now = timezone.now()
    if not records.is_due(now=now):
        return
    holder = uuid4()
    # A lease that ends later than any lease can was written before the clock was set back.
    free = Q(until__lt=now) | Q(until__gt=now + 2 * SENDER_LEASE)
    if not WebhookSender.objects.filter(free).update(holder=holder, until=now + SENDER_LEASE):
        return
    # Not a daemon: at the process's end it records what it has sent.
    _thread = threading.Thread(target=_run, args=(holder,), name="webhooks")
    _thread.start()


def _run(holder: UUID) -> None:
    try:
        Sender(holder).run()
    except Exception:
        logger.exception("the webhook sender ended")
    finally:
        connection.close()


def _is_stopping() -> bool:
    return state.is_stopping or not threading.main_thread().is_alive()


class Sender:
    """Sends what is due, until nothing was due for a while or the process ends."""

    def __init__(self, holder: UUID) -> None:
        self.holder = holder
        self.destinations = DueDestinations()
        self.limits = Limits()
        # The destination that waits longest is first.
        self.queued: dict[Destination, deque[UUID]] = {}
        self.mine: set[UUID] = set()  # queued or open
        self.done: SimpleQueue[tuple[WebhookDelivery, sending.Outcome]] = SimpleQueue()
        self.leased = monotonic()  # when the rows' leases were renewed

    def run(self) -> None:
        renewed = claimed = busy = monotonic()
        wait = 0.0
        while not _is_stopping() and monotonic() - busy < IDLE_SECONDS:
            if monotonic() - renewed > RENEW_SECONDS:
                renewed = monotonic()
                if not self._renew():
                    break
            if monotonic() - claimed >= wait:
                wait = MORE_SECONDS if self._claim() else WAIT_SECONDS
                claimed = monotonic()
            self._start()
            if self.mine:
                busy = monotonic()
            self._record(wait)
        self._stop()

    def send_all(self) -> None:
        """Send everything that is due now, and return."""
        while self._claim() or self.mine:
            self._start()
            self._record(MORE_SECONDS)

    # ---- The steps of a run ----

    def _renew(self) -> bool:
        """Extend the leases; return False if another process sends."""
        now = timezone.now()
        try:
            if monotonic() - self.leased > RENEW_LEASES_SECONDS:
                self.leased = monotonic()
                records.renew(ids=self.mine, until=now + LEASE)
            mine = WebhookSender.objects.filter(holder=self.holder)
            return bool(mine.update(until=now + SENDER_LEASE))
        except outage.DATABASE_DOWN:
            connection.close()
            return True  # nobody else can take over while the database is down

    def _claim(self) -> bool:
        """Claim due deliveries of all users in turn; return whether there may be more."""
        now, claimed = timezone.now(), False
        try:
            self._give_back_of_slow_users()
            if not records.is_due(now=now):
                return False
            for destination in self.destinations.due(now=now):
                claimed |= self._claim_of(destination, now)
        except outage.DATABASE_DOWN:
            connection.close()
        return claimed

    def _claim_of(self, destination: Destination, now: datetime) -> bool:
        limit = self.limits.may_claim(destination, len(self.queued.get(destination, ())))
        if not limit:
            return False
        claimed = records.claim(destination=destination, limit=limit, now=now, lease=LEASE)
        new = [pk for pk in claimed if pk not in self.mine]
        if new:
            self.queued.setdefault(destination, deque()).extend(new)
            self.limits.queued[destination[0]] += len(new)
            self.mine.update(new)
            self.destinations.after = destination[0]
        return bool(new)

    def _give_back_of_slow_users(self) -> None:
        """Release the queued deliveries of users with slow receivers, for others to be claimed."""
        self.limits.notice_slow()
        slow = [
            destination for destination in self.queued if destination[0] in self.limits.slow_until
        ]
        if ids := [pk for destination in slow for pk in self.queued[destination]]:
            records.give_back(ids=ids, now=timezone.now())
        for destination in slow:
            self.mine -= {*self.queued[destination]}
            self.limits.queued[destination[0]] -= len(self.queued.pop(destination))

    def _start(self) -> None:
        """Open connections within the limits, to each destination in turn."""
        waiting = deque(self.queued)
        with suppress(*outage.DATABASE_DOWN):
            while waiting:
                destination = waiting.popleft()
                if self.limits.may_open(destination):
                    self._send_next(destination)
                    waiting.extend([destination] if destination in self.queued else [])

    def _send_next(self, destination: Destination) -> None:
        """Read the delivery again: it may have been cancelled or changed since its claim."""
        queue = self.queued.pop(destination)
        try:
            delivery = records.current(queue[0])
        finally:
            self.queued[destination] = queue  # behind the other destinations
        pk = queue.popleft()
        self.limits.queued[destination[0]] -= 1
        if not queue:
            del self.queued[destination]
        if delivery is None or delivery.host != destination[1]:
            self.mine.discard(pk)
            return
        self.limits.open(pk, destination)
        threading.Thread(target=self._try, args=(delivery,), daemon=True).start()

    def _try(self, delivery: WebhookDelivery) -> None:
        """Runs in its own thread, and does not use the database."""
        outcome = sending.Outcome(None, "The request could not be made.", 0)
        try:
            outcome = _attempt(delivery)
        except Exception:  # without an outcome, its lease would be renewed without end
            logger.exception("a delivery failed", extra={"delivery": str(delivery.pk)})
        self.done.put((delivery, outcome))

    def _record(self, wait: float) -> None:
        """Wait for a try to end; record it, and all others that have ended."""
        ended = []
        with suppress(Empty):
            ended.append(self.done.get(timeout=wait))
            while True:
                ended.append(self.done.get_nowait())
        if not ended:
            return
        for delivery, _ in ended:
            self.limits.close(delivery.pk)
        self._start()  # uses the free connections before the outcomes are written
        outage.retry_while_database_is_down(partial(records.write, ended, now=timezone.now()))
        self.mine -= {delivery.pk for delivery, _ in ended}

    def _stop(self) -> None:
        """Release the unsent deliveries; wait at most STOP_SECONDS for the open connections."""
        with suppress(*outage.DATABASE_DOWN):
            waiting = [pk for queue in self.queued.values() for pk in queue]
            records.give_back(ids=waiting, now=timezone.now())
            self.queued.clear()
            end = monotonic() + STOP_SECONDS
            while self.limits.opened and monotonic() < end:
                self._record(WAIT_SECONDS)
            now = timezone.now()
            WebhookSender.objects.filter(holder=self.holder).update(holder=None, until=now)


def _attempt(delivery: WebhookDelivery) -> sending.Outcome:
    """One try. Without a webhook there is no secret to sign with."""
    webhook = getattr(delivery.user, "webhook", None)
    if webhook is None:
        return sending.Outcome(None, records.NO_WEBHOOK, 0)
    if not delivery.user.is_active:
        return sending.Outcome(None, records.DEACTIVATED, 0)
    now, body = timezone.now(), delivery.body.encode()
    try:
        keys = secrets.of(webhook, now=now)
    except secrets.UnreadableSecret:
        return sending.Outcome(None, "The secret cannot be read: make a new one with rotate.", 0)
    headers = secrets.headers(id=str(delivery.pk), now=now, body=body, secrets=keys)
    outcome = sending.post(url=delivery.url, body=body, headers=headers)
    call_metrics.webhook_attempted(status=outcome.status, seconds=outcome.milliseconds / 1000)
    return outcome
