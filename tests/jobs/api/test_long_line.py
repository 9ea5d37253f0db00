"""PostgreSQL reads as few rows for a poll, an order and a claim when thousands of jobs wait."""

from datetime import timedelta
from itertools import count

import pytest
from django.core.cache import caches
from django.db import connection
from django.utils import timezone

from accounts.models import User
from jobs import readiness
from jobs.models import VideoJob
from jobs.stats import waiting_line
from jobs.worker import leases
from tests.api import JOBS
from tests.queries import rows_read_by as costs

pytestmark = pytest.mark.only_on("postgresql")

USERS, JOBS_EACH = 300, 10


@pytest.fixture(autouse=True)
def large_limits(settings, monkeypatch):
    settings.VIDEO_MAX_ACTIVE_JOBS = 100
    settings.VEO_CREATES_PER_MINUTE = settings.VEO_MAX_IN_FLIGHT = 1000
    monkeypatch.setattr(waiting_line, "CACHE_SECONDS", 3600)


@pytest.fixture(autouse=True)
def rich(tokens, alice):
    tokens(alice, 100_000)


@pytest.fixture
def long_line(new_job, bob):
    """Thousands of waiting jobs, numbered as the tick does."""

    def extend(**order):
        pattern, now = new_job(user=bob, **order), timezone.now()
        users = User.objects.bulk_create(User(username=f"user{n}") for n in range(USERS))
        columns = {
            field.attname: getattr(pattern, field.attname)
            for field in VideoJob._meta.concrete_fields
            if field.name not in ("id", "user", "created_at")
        }
        VideoJob.objects.bulk_create(
            VideoJob(user=user, created_at=now + timedelta(seconds=n), **columns)
            for n in range(JOBS_EACH)
            for user in users
        )
        connection.connection.execute("ANALYZE")
        connection.connection.execute("SET LOCAL enable_seqscan = off")  # small tables prefer it
        caches["local"].clear()
        waiting_line.number(now=timezone.now())

    return extend


def test_poll_of_a_waiting_job_reads_few_rows(client, long_line):
    job = client.create().json()["id"]

    def poll():
        assert client.get(f"{JOBS}/{job}").json()["queuePosition"] is not None

    before = costs(poll)
    long_line()
    assert costs(poll) <= 1.2 * before


def test_order_reads_few_rows(client, long_line):
    def order():
        assert client.create().status_code == 202

    before = costs(order)
    VideoJob.objects.all().delete()  # of the same user, which would cost more
    long_line()
    assert costs(order) <= 1.2 * before


@pytest.mark.parametrize("slots", [0, 1000])
def test_claim_reads_only_the_front(long_line, settings, slots):
    long_line(mock_mode=False)
    settings.VEO_CREATES_PER_MINUTE = slots
    seconds = count()

    def claim():
        now = timezone.now() + timedelta(milliseconds=next(seconds))
        assert len(leases.claim_pending(limit=1, now=now)) == (slots > 0)

    assert costs(claim) < 400


def test_hold_reads_only_the_front(long_line):
    long_line()
    assert costs(lambda: leases.hold(reason="Full", now=timezone.now())) < 400


def test_readiness_does_not_read_jobs_that_wait(new_job, long_line):
    long_line()
    VideoJob.objects.update(next_step_at=timezone.now() - 2 * readiness.LATE)

    def look():
        assert readiness.outcome(readiness.CHECKS["running"]) == "ok"

    assert costs(look) == 0
