"""The exact number of SQL statements of each request, so that no change adds one unnoticed.

The numbers are the same on PostgreSQL and SQLite. They exclude the beginning and end of
transactions, and the check of an idle connection. A number is no goal; a change of one needs a
reason.
"""

from contextlib import contextmanager

import pytest
from django.utils import timezone

from jobs import wakeup
from jobs.models import Status, Tick
from jobs.monitor.cache import get_or_compute
from jobs.stats import estimates, queries, waiting_line
from tests.api import JOBS
from tests.queries import counted

HOUR = 3600  # seconds


@contextmanager
def costs(count):
    with counted() as statements:
        yield
    assert len(statements) == count, "\n".join([f"{len(statements)} statements", *statements])


@pytest.fixture
def asks(client):
    """`asks(path, 2)`: that request of Alice's is answered as it should be, at that cost."""

    def asks(path, count, *, method="get", by=client, status=200, **options):
        with costs(count):
            answer = getattr(by, method)(path, **options)
        assert answer.status_code == status, answer.content

    return asks


@pytest.fixture(autouse=True)
def long_intervals(monkeypatch):
    """What a process does once in an interval happens once in a test, however slow the machine."""
    monkeypatch.setattr(wakeup, "INTERVAL_SECONDS", HOUR)
    monkeypatch.setattr(estimates, "CACHE_SECONDS", HOUR)
    monkeypatch.setattr(waiting_line, "CACHE_SECONDS", HOUR)
    monkeypatch.setitem(get_or_compute.__kwdefaults__, "seconds", HOUR)


class TestCreate:
    @pytest.fixture(autouse=True)
    def not_the_first(self, client, settings):
        """Which wakes a worker, by one statement more, and counts the run times."""
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        client.create()

    def test_create_by_multipart_or_json(self, client):
        for create in (client.create, client.create_json):
            with costs(10):
                assert create().status_code == 202

    def test_create_of_a_real_video(self, client, settings):
        settings.GOOGLE_API_KEY = "test-google-key"
        client.create(mockMode="false")  # counts the run times
        with costs(11):  # looks whether Google has the model
            assert client.create(mockMode="false").status_code == 202

    def test_create_with_idempotency_key(self, client):
        with costs(12):
            assert client.create(headers={"Idempotency-Key": "a"}).status_code == 202

    def test_create_replayed(self, client):
        client.create(headers={"Idempotency-Key": "a"})
        with costs(7):
            assert client.create(headers={"Idempotency-Key": "a"}).status_code == 202

    def test_create_refused(self, client):
        with costs(2):
            assert client.create(resolution="4k").status_code == 400


class TestOneJob:
    @pytest.mark.parametrize(
        ("state", "count"), [("PENDING", 4), ("generating", 3), ("SUCCEEDED", 3), ("FAILED", 3)]
    )
    def test_poll(self, asks, new_job, state, count):
        asks(f"{JOBS}/{new_job(state).pk}", count)

    @pytest.mark.parametrize(
        ("state", "count"), [("PENDING", 3), ("generating", 2), ("SUCCEEDED", 2), ("FAILED", 2)]
    )
    def test_poll_with_known_etag(self, asks, client, new_job, state, count):
        path = f"{JOBS}/{new_job(state).pk}"
        known = {"if-none-match": client.get(path)["ETag"]}
        asks(path, count, headers=known, status=304)

    @pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
    def test_poll_of_a_cached_ended_job(self, asks, new_job, state):
        path = f"{JOBS}/{new_job(state).pk}"
        asks(path, 3)
        asks(path, 2)

    def test_poll_by_a_stranger(self, asks, stranger, new_job):
        asks(f"{JOBS}/{new_job().pk}", 2, by=stranger, status=404)

    def test_download(self, asks, new_job):
        asks(f"{JOBS}/{new_job(Status.SUCCEEDED).pk}/download", 2, status=302)

    @pytest.mark.parametrize(("state", "count"), [("PENDING", 16), ("generating", 9)])
    def test_cancel(self, asks, new_job, state, count):
        asks(f"{JOBS}/{new_job(state).pk}/cancel", count, method="post")

    def test_second_cancel(self, asks, new_job):
        asks(f"{JOBS}/{new_job(Status.CANCELLED).pk}/cancel", 4, method="post")

    @pytest.mark.parametrize(("state", "count"), [("PENDING", 21), ("SUCCEEDED", 8)])
    def test_delete(self, asks, new_job, state, count):
        asks(f"{JOBS}/{new_job(state).pk}", count, method="delete", status=204)


class TestLists:
    @pytest.mark.parametrize("jobs", [1, 5])
    def test_list_of_finished_jobs(self, asks, new_job, jobs):
        for _ in range(jobs):
            new_job(Status.SUCCEEDED)
        asks(JOBS, 5)
        asks(JOBS, 3)  # their texts are cached

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_list_of_waiting_jobs(self, asks, new_job, jobs):
        for _ in range(jobs):
            new_job()
        asks(JOBS, 6)

    def test_list_of_models(self, asks, anonymous):
        asks("/api/v1/video-models", 1, by=anonymous)


class TestTokens:
    def test_balance(self, asks):
        asks("/api/v1/tokens", 3)

    def test_entries(self, asks):
        asks("/api/v1/tokens/entries", 4)

    def test_usage(self, asks):
        asks("/api/v1/tokens/usage", 3)


class TestPages:
    def test_monitor_on_first_view(self, asks, anonymous, new_job):
        new_job()
        asks("/video-monitor", 9, by=anonymous)

    def test_monitor_from_the_cache(self, asks, anonymous, new_job):
        new_job()
        anonymous.get("/video-monitor")
        asks("/video-monitor", 0, by=anonymous)

    def test_page_of_a_job_from_the_cache_asks_whether_it_is_private(
        self, asks, anonymous, new_job
    ):
        path = f"/video-monitor/{new_job().pk}"
        anonymous.get(path)
        asks(path, 1, by=anonymous)

    def test_readiness(self, asks, anonymous, new_job):
        Tick.objects.update(next_at=timezone.now() + queries.PERIOD)
        anonymous.get("/readyz")  # on PostgreSQL, the first call records the tables
        asks("/readyz", 12, by=anonymous)  # two for heartbeats and periodic tasks, one for restores
