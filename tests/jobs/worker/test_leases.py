"""Which jobs start: fair across users, within each user's and the installation's limits."""

import random
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle
from jobs.models import Stage, SubmissionGate, VideoJob
from jobs.providers.base import ProviderError
from jobs.querysets import IN_LINE, PLACES
from jobs.worker import leases
from tests import many_jobs
from tests.job_states import bring, kept
from tests.queries import rows_read_by
from tokens_ledger import ledger

pytestmark = pytest.mark.both  # locks, and SQL of our own

START = timezone.now()
THROTTLED = ProviderError(
    code="provider.unavailable", message="x", retryable=True, throttled=True, retry_after=30
)


def at(seconds):
    return START + timedelta(seconds=seconds)


@pytest.fixture
def carol(db):
    user = User.objects.create_user("carol")
    ledger.grant(user=user, amount=1000, note="For tests")
    return user


@pytest.fixture
def waiting(new_job, settings):
    """`waiting(alice, 3)`: so many PENDING jobs, each a second after the one before."""
    settings.VIDEO_MAX_WAITING_JOBS = 100
    made: list[VideoJob] = []

    def waiting(user, count, **order):
        for _ in range(count):
            made.append(new_job(user=user, now=at(len(made)), **order))
        return made[-count:]

    return waiting


def claim(limit=100, seconds=1000):
    return leases.claim_pending(limit=limit, now=at(seconds))


def ids(jobs):
    return [job.pk for job in jobs]


def nodes(plan):
    """A plan's node, and all those under it."""
    return [plan, *(each for below in plan.get("Plans", []) for each in nodes(below))]


class TestLine:
    def test_jobs_of_one_user_start_in_order_of_time(self, waiting, alice):
        first, second, third = waiting(alice, 3)
        assert ids(VideoJob.objects.in_line()) == ids([first, second, third])
        assert ids(claim(limit=1)) == [first.pk]
        assert ids(claim(limit=1)) == [second.pk]

    def test_first_job_of_every_user_comes_before_second_jobs(self, waiting, alice, bob, carol):
        a, b, c = waiting(alice, 3), waiting(bob, 2), waiting(carol, 1)
        assert ids(VideoJob.objects.in_line()) == ids([a[0], b[0], c[0], a[1], b[1], a[2]])

    def test_running_jobs_count_for_the_order(self, waiting, alice, bob):
        a, b = waiting(alice, 2), waiting(bob, 1)
        assert ids(claim(limit=1)) == [a[0].pk]
        assert ids(VideoJob.objects.in_line()) == ids([b[0], a[1]])

    @pytest.mark.parametrize("seed", range(3))
    def test_places_match_the_order_of_the_line(self, waiting, alice, bob, carol, settings, seed):
        settings.VIDEO_MAX_ACTIVE_JOBS = 20
        chance = random.Random(seed)
        for _ in range(20):
            waiting(chance.choice([alice, bob, carol]), 1, mock_mode=chance.random() < 0.5)
        claim(limit=chance.randrange(8))
        line = [(job.pk, job.mock_mode) for job in VideoJob.objects.in_line()]
        places = VideoJob.objects.places([id for id, _ in line])
        for mock_mode in (True, False):
            kind = [id for id, mock in line if mock == mock_mode]
            assert [places[id] for id in kind] == list(range(len(kind)))
        assert VideoJob.objects.places([line[-1][0]]) == {line[-1][0]: places[line[-1][0]]}

    @pytest.mark.only_on("postgresql")
    @pytest.mark.parametrize("noticed", [False, True])
    def test_running_jobs_are_counted_by_an_index_of_the_user(self, waiting, alice, noticed):
        """Not by that of all active jobs, which would read all of them for each who waits.

        Whether PostgreSQL has noticed that they wait or not; autovacuum may tell it at any time. A
        table as small as this one it would then read as a whole.
        """
        waiting(alice, 20)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            if noticed:
                cursor.execute("ANALYZE jobs_videojob")
        for query, params in (
            (PLACES.format(ids="%s"), [uuid4()]),
            (IN_LINE, []),
        ):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
                [[[plan]]] = cursor.fetchall()
            plans = [node for node in nodes(plan["Plan"]) if "Subplan Name" in node]
            running, turns = (
                {node["Index Name"] for node in nodes(under) if "Index Name" in node}
                for under in plans
            )
            assert running in ({"job_active_of_user"}, {"job_of_user_by_status"}), plan
            assert turns == {"jobs_turn_pkey"}, plan

    def test_job_that_is_not_due_is_left_out(self, waiting, alice):
        first, second = waiting(alice, 2)
        VideoJob.objects.filter(pk=first.pk).update(next_step_at=at(5000))
        assert ids(claim()) == [second.pk]
        assert ids(claim(seconds=6000)) == [first.pk]

    @pytest.mark.parametrize("limit", [1, 5])
    def test_claim_returns_at_most_its_limit(self, waiting, alice, bob, carol, limit):
        for user in (alice, bob, carol):
            waiting(user, 2)
        assert len(claim(limit=limit)) == limit


@pytest.mark.only_on("postgresql")
class TestEndedJobs:
    @pytest.fixture
    def ended(self, alice, new_job):
        """Many jobs, of which PostgreSQL's statistics still count one in three as waiting."""
        ledger.grant(user=alice, amount=1_000_000, note="For many")
        model = new_job("SUCCEEDED")
        many_jobs.copies(
            connection.connection, model=str(model.pk), owner=alice.pk, first=1, last=3000
        )
        jobs = VideoJob.objects.filter(
            pk__in=list(VideoJob.objects.values_list("pk", flat=True)[:1000])
        )
        jobs.update(status="PENDING", next_step_at=at(0), completed_at=None)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_videojob")
        jobs.update(status="CANCELLED", next_step_at=None, completed_at=at(1))

    def test_claim_does_not_read_them(self, ended):
        assert rows_read_by(claim) == 0

    def test_hold_does_not_read_them(self, ended):
        assert rows_read_by(lambda: leases.hold(reason="Full", now=at(1000))) == 0

    def test_check_for_stalled_submissions_does_not_read_them(self, ended):
        assert rows_read_by(lambda: leases.submission_stalled(since=at(9), now=at(10))) == 0


class TestClaim:
    def test_claimed_job_runs_and_is_leased(self, client, waiting, alice):
        [job] = waiting(alice, 1)
        [claimed] = claim()
        assert (claimed.status, claimed.stage, claimed.started_at) == (
            "RUNNING",
            "submitting",
            at(1000),
        )
        row = kept(job)
        assert (row.status, row.stage, row.started_at) == ("RUNNING", "submitting", at(1000))
        assert row.next_step_at == at(1000) + leases.LEASE
        assert [line["message"] for line in client.job(job)["logs"]][1:] == [
            "🚀 Starting video generation",
            "☁️  Calling Google Veo API...",
        ]

    def test_start_of_a_requeued_job_is_logged_once(self, client, waiting, alice):
        [job] = waiting(alice, 1)
        [claimed] = claim()
        error = ProviderError(code="x", message="x", retryable=True)
        lifecycle.requeue(job=claimed, error=error, now=at(1000))
        assert claim(seconds=1001) == []
        assert ids(claim(seconds=1002)) == [job.pk]
        messages = [line["message"] for line in client.job(job)["logs"]]
        assert messages.count("🚀 Starting video generation") == 1


class TestUsersLimit:
    def test_user_runs_at_most_three_jobs(self, waiting, alice, bob):
        a, b = waiting(alice, 5), waiting(bob, 1)
        assert set(ids(claim())) == {*ids(a[:3]), b[0].pk}
        assert claim() == []

    @pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELLED"])
    def test_ended_job_frees_a_place(self, waiting, alice, end):
        jobs = waiting(alice, 5)
        claim()
        bring(kept(jobs[1]), end)
        assert ids(claim()) == [jobs[3].pk]
        assert claim() == []

    @pytest.mark.parametrize("state", [Stage.GENERATING, Stage.STORING])
    def test_job_in_every_stage_is_counted(self, waiting, alice, settings, state):
        settings.VIDEO_MAX_ACTIVE_JOBS = 1
        first, second = waiting(alice, 2)
        claim()
        bring(kept(first), state)
        assert claim() == []
        bring(kept(first), "SUCCEEDED")
        assert ids(claim()) == [second.pk]

    def test_waiting_job_shows_the_users_limit(self, client, waiting, alice):
        jobs = waiting(alice, 4)
        before = client.get(f"/api/v1/video-jobs/{jobs[3].pk}")["ETag"]
        claim()
        shown = client.get(f"/api/v1/video-jobs/{jobs[3].pk}")
        assert "one of your other jobs" in shown.json()["statusMessage"]
        assert shown["ETag"] != before


class TestUpstreamLimit:
    @pytest.fixture(autouse=True)
    def generous(self, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 100
        settings.VEO_CREATES_PER_MINUTE = 100

    def test_jobs_in_flight_are_limited(self, waiting, alice, bob, settings):
        settings.VEO_MAX_IN_FLIGHT = 3
        waiting(alice, 3, mock_mode=False)
        waiting(bob, 3, mock_mode=False)
        started = claim()
        assert len(started) == 3
        assert claim() == []
        bring(kept(started[0]), "generating", now=at(1000))
        assert claim() == []
        bring(kept(started[0]), "storing", now=at(1000))  # made: it takes no place at Google
        assert len(claim()) == 1

    def test_creates_per_minute_are_limited(self, waiting, alice, settings):
        settings.VEO_CREATES_PER_MINUTE = 2
        waiting(alice, 5, mock_mode=False)
        assert [len(claim(seconds=s)) for s in (100, 130, 159, 161, 162, 222)] == [2, 0, 0, 2, 0, 1]

    def test_starts_before_the_clock_was_set_back_do_not_count(self, waiting, alice, settings):
        settings.VEO_CREATES_PER_MINUTE = 1
        waiting(alice, 2, mock_mode=False)
        [job] = claim()
        lifecycle.requeue(job=job, error=replace(THROTTLED, status=429), now=at(1000))
        assert len(claim(seconds=1100)) == 1
        assert len(claim(seconds=1100)) == 0
        SubmissionGate.objects.update(opens_at=at(100))
        assert len(claim(seconds=900)) == 1

    def test_ended_jobs_count_for_the_minute(self, waiting, alice, settings):
        settings.VEO_CREATES_PER_MINUTE = 1
        waiting(alice, 2, mock_mode=False)
        [job] = claim()
        bring(kept(job), "CANCELLED")
        assert claim(seconds=1030) == []

    def test_mock_jobs_are_not_limited(self, waiting, alice, bob, settings):
        settings.VEO_MAX_IN_FLIGHT = settings.VEO_CREATES_PER_MINUTE = 1
        waiting(alice, 3, mock_mode=False)
        mocks = waiting(bob, 5, mock_mode=True)
        assert set(ids(claim())) >= set(ids(mocks))
        assert VideoJob.objects.filter(mock_mode=False, status="RUNNING").count() == 1

    def test_waiting_job_shows_googles_limit(self, client, waiting, alice, settings):
        settings.VEO_MAX_IN_FLIGHT = 1
        _, second = waiting(alice, 2, mock_mode=False)
        claim()
        assert "Google Veo" in client.job(second)["statusMessage"]
        assert client.job(second)["status"] == "PENDING"

    def test_throttled_provider_stops_all_real_jobs(self, waiting, alice, bob):
        [first], [second] = waiting(alice, 1, mock_mode=False), waiting(bob, 1, mock_mode=False)
        [mock] = waiting(bob, 1, mock_mode=True)
        [claimed] = claim(limit=1)
        assert claimed.pk == first.pk
        lifecycle.requeue(job=claimed, error=THROTTLED, now=at(1000))
        assert ids(claim(seconds=1029)) == [mock.pk]
        assert set(ids(claim(seconds=1030))) == {first.pk, second.pk}

    def test_shorter_retry_after_does_not_open_earlier(self, waiting, alice):
        waiting(alice, 3, mock_mode=False)
        first, second = claim(limit=2)
        lifecycle.requeue(job=first, error=THROTTLED, now=at(1000))
        soon = ProviderError(code="x", message="x", retryable=True, throttled=True, retry_after=1)
        lifecycle.requeue(job=second, error=soon, now=at(1000))
        assert claim(seconds=1010) == []


class TestLease:
    @pytest.mark.parametrize("stage", [Stage.SUBMITTING, Stage.GENERATING, Stage.STORING])
    def test_job_is_leased_until_its_lease_ends(self, new_job, stage):
        job = new_job(stage, now=START)
        due = kept(job).next_step_at
        take = lambda now: ids(leases.claim_due(stage=stage, limit=9, now=now))  # noqa: E731
        assert take(due - timedelta(seconds=1)) == []
        assert take(due) == [job.pk]
        assert take(due) == []
        assert take(due + leases.LEASE - timedelta(seconds=1)) == []
        assert take(due + leases.LEASE) == [job.pk]
        assert kept(job).crash_count == 2

    def test_renewed_lease_lasts_longer(self, new_job):
        job = new_job("generating", now=START)
        [held] = leases.claim_due(stage=Stage.GENERATING, limit=9, now=at(60))
        leases.renew(jobs=[held], now=at(100))
        assert leases.claim_due(stage=Stage.GENERATING, limit=9, now=at(120)) == []
        assert kept(job).next_step_at == at(100) + leases.LEASE

    def test_lease_of_an_ended_job_is_not_renewed(self, new_job):
        job = new_job("CANCELLED")
        leases.renew(jobs=[job], now=at(100))
        assert kept(job).next_step_at is None

    def test_longest_due_job_is_leased_first(self, new_job):
        jobs = [new_job("generating", now=at(-n)) for n in (10, 30, 20)]
        order = [jobs[1].pk, jobs[2].pk]
        assert ids(leases.claim_due(stage=Stage.GENERATING, limit=2, now=at(60))) == order
