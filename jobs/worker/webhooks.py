"""Send due deliveries, in a thread beside the worker's tasks.

Not in a task, because a slow receiver holds a connection for 15 seconds, and a cluster has few
workers. One process at a time sends, for the whole installation, so that the limit of connections
to one host holds; another takes over when its lease ends. Rows are claimed with a lease, so a
delivery whose sender died is sent again: at least once, always under its own id.
"""

import logging
import threading
from collections import Counter, defaultdict, deque
from contextlib import suppress
from datetime import timedelta
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils import timezone

from jobs.models import Webhook, WebhookDelivery, WebhookSender
from jobs.webhooks import records, secrets, sending
from jobs.worker import outage
from jobs.worker.shared import state

logger = logging.getLogger(__name__)

MAX_OPEN = 64  # connections
MAX_OPEN_PER_HOST = 2
MAX_OPEN_TO_SLOW_HOSTS = 32  # those whose last try timed out, together
MAX_QUEUED_PER_HOST = 20  # claimed and not sent yet
MAX_QUEUED = 500
CLAIM_SIZE = 200
LEASE = timedelta(seconds=30)  # must outlast several renewal intervals
RENEW_LEASES_SECONDS = 8.0
SENDER_LEASE = timedelta(seconds=5)
RENEW_SECONDS = 1.0
WAIT_SECONDS = 0.2  # between two looks for due rows
IDLE_SECONDS = 10.0  # then the thread ends
STOP_SECONDS = 4.0  # a process that ends waits so long for open connections

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
    if not WebhookSender.objects.filter(until__lt=now).update(
        holder=holder, until=now + SENDER_LEASE
    ):
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
        self.queued: dict[str, deque[WebhookDelivery]] = defaultdict(deque)  # by host
        self.open: Counter[str] = Counter()  # by host
        self.slow: set[str] = set()  # hosts
        self.mine: set[UUID] = set()  # queued or open
        self.done: SimpleQueue[tuple[WebhookDelivery, sending.Outcome]] = SimpleQueue()
        self.webhooks: dict[Any, Webhook] = {}  # by user id
        self.leased = monotonic()  # when the rows' leases were renewed

    def run(self) -> None:
        renewed = claimed = busy = monotonic()
        may_be_more = True
        while not _is_stopping() and monotonic() - busy < IDLE_SECONDS:
            if monotonic() - renewed > RENEW_SECONDS:
                renewed = monotonic()
                if not self._renew():
                    break
            if may_be_more or monotonic() - claimed > WAIT_SECONDS:
                claimed = monotonic()
                may_be_more = self._claim()
            self._start()
            if self.mine:
                busy = monotonic()
            self._record(0 if may_be_more else WAIT_SECONDS)
        self._stop()

    def send_all(self) -> None:
        """Send everything that is due now, and return."""
        while self._claim() or self.mine:
            self._start()
            self._record(WAIT_SECONDS)

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
        """Claim due deliveries of hosts with a short queue; return whether there may be more."""
        if len(self.mine) >= MAX_QUEUED:
            return False
        full = [
            host for host, queue in self.queued.items() if len(queue) >= MAX_QUEUED_PER_HOST // 2
        ]
        try:
            claimed = records.claim(
                now=timezone.now(),
                lease=LEASE,
                limit=CLAIM_SIZE,
                per_host=MAX_QUEUED_PER_HOST // 2,
                full_hosts=full,
                mine=self.mine,
            )
            self.webhooks |= records.webhooks_of(claimed)
        except outage.DATABASE_DOWN:
            connection.close()
            return False
        for delivery in claimed:
            self.mine.add(delivery.pk)
            self.queued[delivery.host].append(delivery)
        return len(claimed) > 0

    def _start(self) -> None:
        """Open connections within the limits, to each host in turn."""
        for host in [*self.queued]:
            while self.queued[host] and self._may_open(host):
                self._send(self.queued[host].popleft())
            if not self.queued[host]:
                del self.queued[host]

    def _may_open(self, host: str) -> bool:
        if self.open[host] >= MAX_OPEN_PER_HOST or self.open.total() >= MAX_OPEN:
            return False
        slow = sum(self.open[each] for each in self.slow)
        return host not in self.slow or slow < MAX_OPEN_TO_SLOW_HOSTS

    def _send(self, delivery: WebhookDelivery) -> None:
        """Send it as it is now: since its claim it may have been given up, or its URL changed."""
        try:
            current = records.current(delivery)
            webhook = records.webhooks_of([delivery]).get(delivery.user_id)
        except outage.DATABASE_DOWN:
            connection.close()
            current, webhook = delivery, self.webhooks.get(delivery.user_id)
        if current is None or current.host != delivery.host:
            self.mine.discard(delivery.pk)
            return
        delivery = current
        self.open[delivery.host] += 1
        threading.Thread(target=self._try, args=(delivery, webhook), daemon=True).start()

    def _try(self, delivery: WebhookDelivery, webhook: Webhook | None) -> None:
        """In a thread of its own; it does not use the database."""
        self.done.put((delivery, _attempt(delivery, webhook)))

    def _record(self, wait: float) -> None:
        """Wait for a try to end; record it, and all others that have ended."""
        ended = []
        with suppress(Empty):
            ended.append(self.done.get(timeout=wait))
            while True:
                ended.append(self.done.get_nowait())
        if not ended:
            return
        for delivery, outcome in ended:
            self.open[delivery.host] -= 1
            timed_out = outcome.milliseconds >= sending.TIMEOUT_SECONDS * 1000
            (self.slow.add if timed_out else self.slow.discard)(delivery.host)
        self.open += Counter()  # drops the zeros
        self._start()  # the connections that are free now, before the database is asked
        outage.retry_while_database_is_down(partial(_write, ended))
        self.mine -= {delivery.pk for delivery, _ in ended}

    def _stop(self) -> None:
        """Give back what was not sent; wait a little for what is open."""
        with suppress(*outage.DATABASE_DOWN):
            waiting = [delivery.pk for queue in self.queued.values() for delivery in queue]
            records.give_back(ids=waiting, now=timezone.now())
            self.queued.clear()
            end = monotonic() + STOP_SECONDS
            while self.open.total() and monotonic() < end:
                self._record(WAIT_SECONDS)
            now = timezone.now()
            WebhookSender.objects.filter(holder=self.holder).update(holder=None, until=now)


def _attempt(delivery: WebhookDelivery, webhook: Webhook | None) -> sending.Outcome:
    """One try. Without a webhook there is no secret to sign with."""
    if webhook is None:
        return sending.Outcome(None, records.NO_WEBHOOK, 0)
    now, body = timezone.now(), delivery.body.encode()
    try:
        keys = secrets.of(webhook, now=now)
    except secrets.UnreadableSecret:
        return sending.Outcome(None, "The secret cannot be read: make a new one by rotate.", 0)
    headers = secrets.headers(id=str(delivery.pk), now=now, body=body, secrets=keys)
    return sending.post(url=delivery.url, body=body, headers=headers)


def _write(ended: list[tuple[WebhookDelivery, sending.Outcome]]) -> None:
    with transaction.atomic():
        records.write(ended, now=timezone.now())
