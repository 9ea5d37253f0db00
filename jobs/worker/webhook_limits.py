"""How many connections and queued deliveries each host and each user may have.

A user may open another connection while a quarter of the free connections is more than the user
has. So one user gets at most a fifth of all, and some stay free for users who have none.
Users whose receiver took longer than SLOW_SECONDS share MAX_OPEN_SLOW connections, and
the others stay free for users with fast receivers.
"""

from collections import Counter
from time import monotonic
from uuid import UUID

from jobs.webhooks.destinations import Destination

MAX_OPEN = 100  # connections
MAX_OPEN_PER_HOST = 2
MAX_OPEN_SLOW = 50
SLOW_SECONDS = 1.0
REMEMBERED_SECONDS = 60.0  # how long a user counts as slow after a slow try
MAX_QUEUED = 1_000  # claimed and not sent yet
MAX_QUEUED_PER_USER = 20
MAX_QUEUED_PER_DESTINATION = 10


class Limits:
    def __init__(self) -> None:
        self.hosts: Counter[str] = Counter()  # open connections
        self.users: Counter[UUID] = Counter()  # open connections
        self.queued: Counter[UUID] = Counter()  # deliveries, by user
        self.opened: dict[UUID, tuple[Destination, float]] = {}  # by delivery: when
        self.slow_until: dict[UUID, float] = {}  # by user

    def may_open(self, destination: Destination) -> bool:
        user, host = destination
        return self.hosts[host] < MAX_OPEN_PER_HOST and 4 * self.users[user] < self._free(user)

    def may_claim(self, destination: Destination, in_queue: int) -> int:
        """How many deliveries of `destination` may be claimed, where `in_queue` are queued."""
        user, _ = destination
        if user in self.slow_until:  # not ahead: its queue is long already
            return int(not self.queued[user] and self.may_open(destination))
        if in_queue > MAX_QUEUED_PER_DESTINATION // 2:
            return 0
        free = min(MAX_QUEUED_PER_USER - self.queued[user], MAX_QUEUED - self.queued.total())
        return max(0, min(free, MAX_QUEUED_PER_DESTINATION - in_queue))

    def open(self, pk: UUID, destination: Destination) -> None:
        user, host = destination
        self.hosts[host] += 1
        self.users[user] += 1
        self.opened[pk] = destination, monotonic()

    def close(self, pk: UUID) -> None:
        (user, host), since = self.opened.pop(pk)
        self._count_slow(user, since)
        self.hosts[host] -= 1
        self.users[user] -= 1
        self.hosts += Counter()  # drops the zeros
        self.users += Counter()

    def notice_slow(self) -> None:
        """Find the users whose receivers are slow, also before they answer."""
        now = monotonic()
        self.slow_until = {user: end for user, end in self.slow_until.items() if end > now}
        for (user, _), since in self.opened.values():
            self._count_slow(user, since)

    def _count_slow(self, user: UUID, since: float) -> None:
        if monotonic() - since > SLOW_SECONDS:
            self.slow_until[user] = monotonic() + REMEMBERED_SECONDS

    def _free(self, user: UUID) -> int:
        """How many connections this user and others may still open."""
        free = MAX_OPEN - self.users.total()
        if user in self.slow_until:
            slow = sum(self.users[each] for each in self.slow_until)
            return min(free, MAX_OPEN_SLOW - slow)
        return free
