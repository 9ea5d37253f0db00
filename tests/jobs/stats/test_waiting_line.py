"""A long line is numbered once a second; its positions are nearly those of the whole line."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle
from jobs.models import LineSnapshot, Turn, VideoJob
from jobs.stats import waiting_line
from jobs.worker import leases, steps
from tests.job_states import kept
from tokens_ledger import ledger

pytestmark = pytest.mark.both  # SQL of our own

START = timezone.now()
FRONT, MARKS, LENGTH = 8, 5, 45


def at(seconds):
    return START + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def short_snapshot(monkeypatch, settings):
    monkeypatch.setattr(waiting_line, "FRONT", FRONT)
    monkeypatch.setattr(waiting_line, "MARKS", MARKS)
    monkeypatch.setattr(waiting_line, "CACHE_SECONDS", 0)
    settings.VIDEO_MAX_WAITING_JOBS = 100
    settings.VEO_CREATES_PER_MINUTE = settings.VEO_MAX_IN_FLIGHT = 1000


@pytest.fixture
def users(db):
    made = [User.objects.create_user(f"user{n}") for n in range(7)]
    for user in made:
        ledger.grant(user=user, amount=5000, note="For tests")
    return made


@pytest.fixture
def line(users, new_job):
    """Jobs of a few users and of both kinds, in random order."""
    chance = random.Random(1)
    for user in users[:3]:
        Turn.objects.create(user=user, served_at=at(chance.randrange(LENGTH)))
    return [
        new_job(user=chance.choice(users), now=at(second), mock_mode=chance.random() < 0.3)
        for second in range(LENGTH)
    ]


def true_places():
    return VideoJob.objects.places([job.pk for job in VideoJob.objects.waiting()])


def ids(jobs):
    return [job.pk for job in jobs]


class TestPositions:
    def test_positions_are_exact_in_the_front_and_nearly_exact_behind(self, line):
        waiting_line.number(now=timezone.now())
        actual, shown = true_places(), waiting_line.positions(line)
        assert shown.keys() == actual.keys()
        distance = LENGTH // MARKS + 1
        for id, place in actual.items():
            assert place - distance < shown[id] <= place
            assert shown[id] == place or place >= FRONT

    def test_position_of_a_new_job_is_known_before_the_next_numbering(self, line, users, new_job):
        waiting_line.number(now=timezone.now())
        newcomer = User.objects.create_user("newcomer")
        ledger.grant(user=newcomer, amount=50, note="For tests")
        job = new_job(user=newcomer, now=at(LENGTH), mock_mode=False)
        [place] = waiting_line.positions([job]).values()
        assert abs(place - true_places()[job.pk]) <= LENGTH // MARKS + 1
        assert place < LENGTH // 3  # others' second jobs come later

    def test_first_job_of_its_kind_is_next(self, line, users, new_job):
        VideoJob.objects.filter(mock_mode=True).delete()
        waiting_line.number(now=timezone.now())
        job = new_job(user=users[0], now=at(LENGTH), mock_mode=True)
        assert waiting_line.positions([job]) == {job.pk: 0}

    def test_short_line_is_exact_and_writes_no_snapshot(self, users, new_job):
        jobs = [new_job(user=users[0], now=at(n)) for n in range(FRONT)]
        before = LineSnapshot.objects.values().get()
        waiting_line.number(now=timezone.now())
        assert list(waiting_line.positions(jobs).values()) == list(range(FRONT))
        assert LineSnapshot.objects.values().get() == before

    def test_jobs_that_do_not_wait_have_no_position(self, line):
        lifecycle.cancel(job=line[0], now=timezone.now())
        assert kept(line[0]).pk not in waiting_line.positions([kept(line[0]), line[1]])

    def test_old_snapshot_is_replaced_by_whoever_finds_it(self, line):
        waiting_line.number(now=timezone.now() - timedelta(minutes=1))
        last = max(true_places(), key=true_places().__getitem__)
        [before] = waiting_line.positions([VideoJob.objects.get(pk=last)]).values()
        VideoJob.objects.filter(pk__in=ids(line[:22])).delete()
        LineSnapshot.objects.update(numbered_at=timezone.now() - timedelta(minutes=1))
        [after] = waiting_line.positions([VideoJob.objects.get(pk=last)]).values()
        assert after < before
        assert timezone.now() - LineSnapshot.objects.get().numbered_at < timedelta(seconds=10)

    def test_old_marks_do_not_get_a_new_time(self, line, monkeypatch):
        """Otherwise another process, which finds them in the meantime, would use them."""

        def killed():
            raise KeyboardInterrupt

        before = LineSnapshot.objects.values().get()
        monkeypatch.setattr(waiting_line, "_marks", killed)
        with pytest.raises(KeyboardInterrupt):
            waiting_line.number(now=timezone.now())
        assert LineSnapshot.objects.values().get() == before

    def test_tick_numbers_a_long_line(self, line, monkeypatch):
        monkeypatch.setattr(steps, "submit_due", lambda: None)
        steps.tick()
        assert timezone.now() - LineSnapshot.objects.get().numbered_at < timedelta(seconds=10)


class TestFront:
    def test_front_is_the_beginning_of_the_line(self, line):
        now = at(1000)
        whole = [(job.pk, job.user_rank) for job in VideoJob.objects.in_line()]
        front = [(job.pk, job.user_rank) for job in waiting_line.front(now=now)]
        assert len(front) == 2 * FRONT  # of each kind
        assert front[:FRONT] == whole[:FRONT]

    def test_claim_starts_the_jobs_that_are_next(self, line):
        whole = ids(VideoJob.objects.in_line())
        assert ids(leases.claim_pending(limit=5, now=at(1000))) == whole[:5]
        assert ids(leases.claim_pending(limit=2, now=at(1000))) == whole[5:7]

    def test_claim_respects_the_users_limit(self, line, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 1
        started = leases.claim_pending(limit=100, now=at(1000))
        assert len(started) == len({job.user_id for job in started}) == 7
        assert leases.claim_pending(limit=100, now=at(1001)) == []

    def test_cancelled_job_is_passed_over(self, line):
        waiting_line.number(now=at(1000))
        first, second, *_ = VideoJob.objects.in_line()
        lifecycle.cancel(job=first, now=at(1000))
        assert ids(leases.claim_pending(limit=1, now=at(1000))) == [second.pk]
