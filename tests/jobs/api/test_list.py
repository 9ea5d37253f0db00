"""`GET /api/v1/video-jobs`: the user's jobs."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import JobCount, Status, VideoJob
from jobs.stats import job_totals
from tests.api import JOBS, assert_fault
from tests.job_states import STATES
from tests.jobs.api.test_retrieve import KEYS

STATUSES = ["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
FILTER = (
    "Status filter (one or several, separated by commas) must be "
    "'PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED' or 'CANCELLED'"
)


@pytest.fixture
def many(alice):
    """So many ended jobs of Alice's; `age(n)` is how old the n-th is."""

    def many(count, age=lambda n: timedelta(seconds=n), status=Status.CANCELLED, user=alice):
        now = timezone.now()
        jobs = VideoJob.objects.bulk_create(
            VideoJob(
                user=user,
                prompt=f"{n}",
                model="veo-3.1-generate-001",
                resolution="720p",
                aspect_ratio="16:9",
                duration_seconds=8,
                status=status,
                status_message="x",
                video_url="/x.mp4" if status == Status.SUCCEEDED else "",
                created_at=now - age(n),
                completed_at=now,
            )
            for n in range(count)
        )
        JobCount.objects.get_or_create(user=user, defaults={"jobs": 0})
        job_totals.recount(user_id=user.pk)
        return jobs

    return many


@pytest.fixture
def listed(client):
    """The prompts and the total that the query gets."""

    def listed(query=""):
        answer = client.get(f"{JOBS}{query}")
        assert answer.status_code == 200, answer.content
        assert set(answer.json()) == {"jobs", "total", "nextCursor", "hasMore"}
        return [job["prompt"] for job in answer.json()["jobs"]], answer.json()["total"]

    return listed


class TestList:
    def test_list_shows_jobs_as_retrieve_does(self, client, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        jobs = [new_job(state) for state in reversed(STATES)]
        answer = client.get(JOBS).json()
        assert answer["total"] == len(STATES)
        for shown, job in zip(answer["jobs"], reversed(jobs), strict=True):
            assert set(shown) == KEYS
            assert shown == client.job(job)

    def test_order_of_simultaneous_jobs_is_stable(self, listed, many):
        jobs = many(25, age=lambda n: timedelta(0))
        order = [job.prompt for job in sorted(jobs, key=lambda job: job.pk, reverse=True)]
        assert listed() == (order, 25)
        pages = [listed(f"?limit=4&offset={start}")[0] for start in range(0, 25, 4)]
        assert [prompt for page in pages for prompt in page] == order

    def test_list_holds_only_own_jobs(self, listed, many, bob):
        assert listed() == ([], 0)
        many(3)
        many(3, user=bob)
        assert listed() == (["0", "1", "2"], 3)


@pytest.mark.slow
class TestPage:
    def test_limit_and_offset_select_jobs(self, listed, many):
        many(120)
        for query, first, count in (
            ("", 0, 50),
            ("?limit=100", 0, 100),
            ("?limit=100&offset=50", 50, 70),
            ("?offset=1", 1, 50),
            ("?offset=119", 119, 1),
            ("?offset=120", 0, 0),
            ("?offset=10000", 0, 0),
        ):
            expected = [str(n) for n in range(first, first + count)]
            assert listed(query) == (expected, 120), query

    def test_invalid_limit_is_refused(self, client):
        for limit in ("0", "101", "ten", "1.5", "", "9" * 2000, "%00"):
            body = assert_fault(client.get(f"{JOBS}?limit={limit}"), field="limit")
            assert body["detail"] == "Limit must be a whole number from 1 to 100"

    def test_invalid_offset_is_refused(self, client):
        for offset in ("-1", "ten", ""):
            body = assert_fault(client.get(f"{JOBS}?offset={offset}"), field="offset")
            assert body["detail"] == "Offset must be a whole number of at least 0"
        for large in (10_001, 10**30):
            body = assert_fault(client.get(f"{JOBS}?offset={large}"), field="offset")
            assert body["detail"] == "Offset must be at most 10,000; use 'after' for later pages"


@pytest.mark.slow
class TestFilter:
    def test_status_in_any_case_is_found(self, listed, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        for state in reversed(STATES):
            new_job(state, prompt=state)
        for status, states in (
            ("PENDING", ["PENDING"]),
            ("RUNNING", ["submitting", "generating", "storing"]),
            ("SUCCEEDED", ["SUCCEEDED"]),
            ("FAILED", ["FAILED"]),
            ("CANCELLED", ["CANCELLED"]),
        ):
            for spelling in (status, status.title()):
                assert listed(f"?status_filter={spelling}") == (states, len(states))

    def test_total_counts_the_matching_jobs(self, listed, many):
        many(30)
        many(3, status=Status.SUCCEEDED)
        assert listed("?status_filter=succeeded&limit=2") == (["0", "1"], 3)

    def test_other_status_is_refused(self, client):
        for status in (
            *("DONE", "PENDING;RUNNING", "PENDING,", "FAILED,DONE", "", "PENDING%00", "é" * 99),
        ):
            body = assert_fault(client.get(f"{JOBS}?status_filter={status}"), field="status_filter")
            assert body["detail"] == FILTER
