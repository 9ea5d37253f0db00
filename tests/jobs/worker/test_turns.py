"""Users take turns: those with many orders do not delay the first order of others."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle
from jobs.models import Turn, VideoJob
from jobs.providers.base import ProviderError
from jobs.worker import leases
from tests.job_states import bring, kept
from tokens_ledger import ledger

pytestmark = pytest.mark.slow

START = timezone.now()
RUN_SECONDS = 30
BUSY = ProviderError(code="provider.unavailable", message="x", retryable=True)


def at(seconds):
    return START + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def quota(settings):
    settings.VEO_CREATES_PER_MINUTE = 10
    settings.VIDEO_MAX_WAITING_JOBS = 100


@pytest.fixture
def users(db):
    """`users("heavy", 10)`: so many new users."""

    def users(name, count):
        made = [User.objects.create_user(f"{name}{n}") for n in range(count)]
        for user in made:
            ledger.grant(user=user, amount=5000, note="For tests")
        return made

    return users


@pytest.fixture
def order(new_job):
    def order(users, count, seconds):
        return [
            new_job(user=user, now=at(seconds + number / 1000), mock_mode=False)
            for number in range(count)
            for user in users
        ]

    return order


class Clockwork:
    """The service, a few seconds at a time: starts jobs, each of which ends after RUN_SECONDS."""

    def __init__(self):
        self.seconds = 0
        self.running: list[tuple[int, VideoJob]] = []
        self.starts: list[VideoJob] = []

    def run_to(self, seconds):
        while self.seconds < seconds:
            self.seconds += 3
            ended = [job for end, job in self.running if end <= self.seconds]
            self.running = [(end, job) for end, job in self.running if end > self.seconds]
            for job in ended:
                bring(kept(job), "SUCCEEDED", now=at(self.seconds))
            started = leases.claim_pending(limit=100, now=at(self.seconds))
            for job in started:
                assert lifecycle.submitted(accepted={job: f"x/{job.pk}"}, now=at(self.seconds))
                self.running.append((self.seconds + RUN_SECONDS, job))
            self.starts += started


def ids(jobs):
    return [job.pk for job in jobs]


def test_first_order_waits_for_at_most_one_order_of_each_heavy_user(users, order):
    heavy, light = users("heavy", 10), users("light", 25)
    clock = Clockwork()
    order(heavy, 10, 0)
    clock.run_to(78)
    before = len(clock.starts)
    wanted = set(ids(order(light, 1, 78)))
    clock.run_to(78 + 60 * 4)
    since: Counter[User] = Counter()
    for job in clock.starts[before:]:
        if job.pk in wanted:
            wanted.discard(job.pk)
            assert max(since.values(), default=0) <= 1
        else:
            since[job.user] += 1
    assert not wanted


def test_heavy_users_are_served_in_turn(users, order):
    heavy = users("heavy", 4)
    clock = Clockwork()
    for user in heavy:
        order([user], 10, 0)
    clock.run_to(150)
    assert len(clock.starts) == 30
    starts = Counter(job.user for job in clock.starts)
    assert max(starts.values()) - min(starts.values()) <= 1


def test_user_who_was_served_longest_ago_is_next(users, order):
    first, second = users("user", 2)
    clock = Clockwork()
    [a, b] = order([first], 1, 0) + order([second], 1, 1)
    clock.run_to(60)
    [late] = order([first], 1, 61)
    [later] = order([second], 1, 62)
    Turn.objects.filter(user=first).update(served_at=at(90))
    assert ids(VideoJob.objects.in_line()) == ids([later, late])
    assert ids(clock.starts) == ids([a, b])


def test_user_keeps_the_turn_when_google_is_busy(users, order):
    first, second = users("user", 2)
    mine, his = order([first], 2, 0), order([second], 1, 1)
    [claimed] = leases.claim_pending(limit=1, now=at(10))
    assert lifecycle.requeue(job=claimed, error=BUSY, now=at(11))
    assert ids(VideoJob.objects.in_line()) == ids([mine[0], his[0], mine[1]])


def test_second_start_is_not_undone_by_the_first(users, order, settings):
    [user] = users("user", 1)
    order([user], 2, 0)
    [busy] = leases.claim_pending(limit=1, now=at(10))
    leases.claim_pending(limit=1, now=at(12))
    assert lifecycle.requeue(job=busy, error=BUSY, now=at(13))
    assert Turn.objects.get(user=user).served_at == at(12)


def test_starts_together_that_google_refuses_are_all_undone(users, order):
    [user] = users("user", 1)
    order([user], 3, 0)
    claimed = leases.claim_pending(limit=3, now=at(10))
    assert len(claimed) == 3
    for job in claimed:
        assert lifecycle.requeue(job=job, error=BUSY, now=at(11))
    assert Turn.objects.get(user=user).served_at is None
