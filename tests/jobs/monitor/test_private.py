"""The monitor counts private jobs and shows nothing else of them."""

import re
from functools import partial

import pytest
from django.core.cache import caches
from django.db import connection
from django.db.models import F
from django.utils import timezone

from jobs.models import Status, VideoJob
from jobs.monitor import figures, public_jobs
from jobs.storage.base import video_name
from tests import many_jobs
from tests.job_states import STATES
from tests.queries import rows_read_by
from tokens_ledger import ledger

MONITOR = "/video-monitor"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def look(anonymous):
    """`look()` is the monitor's text as it is now, and that of its live part."""

    def look(path=MONITOR):
        caches["monitor"].clear()
        answers = [anonymous.get(path, headers=headers) for headers in ({}, HTMX)]
        assert [answer.status_code for answer in answers] == [200, 200]
        return "\n".join(answer.text for answer in answers)

    return look


@pytest.fixture
def hide(client):
    def hide(job, private=True):
        answer = client.patch(f"/api/v1/video-jobs/{job.pk}", {"private": private}, format="json")
        assert answer.status_code == 200

    return hide


def counts(text):
    """The numbers of the first board in `text`, by the names of its filters."""
    found = re.findall(r'id="filter-(\w+)">\w+ <span>(\d+)', text)
    return {name: int(number) for name, number in found}


@pytest.mark.slow
class TestBoard:
    @pytest.mark.parametrize("state", STATES)
    def test_private_job_is_counted_and_not_shown(self, look, new_job, hide, state):
        job = new_job(state, prompt="A closed garden")
        log = job.events.last().message
        before = look()
        for secret in (str(job.pk), "A closed garden", log):
            assert secret in before
        hide(job)
        for path in (MONITOR, f"{MONITOR}?status={job.status}"):
            text = look(path)
            for secret in (str(job.pk), "A closed garden", log, video_name(job.pk)):
                assert secret not in text
            assert counts(text) == counts(before)
            assert counts(text)[job.status] == counts(text)["ALL"] == 1
            assert "The only job here is private" in text
        hide(job, False)
        assert "A closed garden" in look()

    def test_private_jobs_are_named_by_number_beside_public_ones(self, look, new_job, hide, many):
        new_job("SUCCEEDED", prompt="An open field")
        for _ in range(2):
            hide(new_job("FAILED", prompt="A closed garden"))
        text = look()
        assert "An open field" in text
        assert "2 more jobs are private" in text
        assert "All 2 jobs here are private" in look(f"{MONITOR}?status=FAILED")
        assert "private" not in look(f"{MONITOR}?status=SUCCEEDED")

    def test_pages_are_those_of_public_jobs(self, look, new_job, many):
        jobs = [new_job("CANCELLED") for _ in range(25)]
        assert "Page 1 of 2" in look()
        VideoJob.objects.filter(pk__in=[job.pk for job in jobs[:3]]).update(private=True)
        assert "Page 1 of" not in look()
        assert counts(look())["ALL"] == 25


class TestPageOfAJob:
    @pytest.mark.parametrize("state", STATES)
    def test_page_is_404_at_once_and_back_when_public(self, anonymous, new_job, hide, state):
        path = f"{MONITOR}/{(job := new_job(state, prompt='A closed garden')).pk}"
        etag = anonymous.get(path, headers=HTMX)["ETag"]
        hide(job)
        # The process still has both parts in its cache.
        for headers in ({}, HTMX, HTMX | {"If-None-Match": etag}, {"If-None-Match": "*"}):
            answer = anonymous.get(path, headers=headers)
            assert answer.status_code == 404
            assert answer["Cache-Control"] == "no-cache"
            for secret in (str(job.pk), "A closed garden"):
                assert secret not in answer.text
        hide(job, False)
        assert "A closed garden" in anonymous.get(path).text

    def test_private_job_looks_like_none(self, anonymous, new_job, hide):
        hide(job := new_job())
        answers = [anonymous.get(f"{MONITOR}/{id}") for id in (job.pk, "1" * 8 + str(job.pk)[8:])]
        assert answers[0].status_code == answers[1].status_code == 404
        assert answers[0].content == answers[1].content


class TestFigures:
    def test_figures_are_true_whether_jobs_are_private_or_not(self, new_job, many):
        for state in STATES:
            new_job(state)
        now = timezone.now()
        before = vars(figures.read(now=now))
        VideoJob.objects.update(private=True)
        after = vars(figures.read(now=now))
        assert after.pop("private") == before["counts"] != before.pop("private")
        assert after == before


@pytest.mark.only_on("postgresql")
class TestManyPrivateJobs:
    @pytest.fixture(autouse=True)
    def full(self, alice, new_job):
        """3,000 private jobs, most of the last day and half of them running, and as many older ones
        that are public.
        """
        ledger.grant(user=alice, amount=1_000_000, note="For many")
        database = connection.connection
        model = new_job("SUCCEEDED")
        for first in (1, 3_001):
            VideoJob.objects.filter(pk=model.pk).update(private=first == 1)
            many_jobs.copies(
                database, model=str(model.pk), owner=alice.pk, first=first, last=first + 2_999
            )
        private, now = VideoJob.objects.filter(private=True), timezone.now()
        private.update(created_at=now - (now - F("created_at")) / 3)
        running = list(private.order_by("-created_at").values_list("pk", flat=True)[:1_500])
        VideoJob.objects.filter(pk__in=running).update(
            status="RUNNING", stage="generating", completed_at=None, next_step_at=now
        )
        database.execute("ANALYZE")

    @pytest.mark.parametrize("public", [0, 1, 30])
    def test_page_reads_few_rows(self, public):
        """Whether the last day has none, few or a page of public jobs."""
        newest = VideoJob.objects.filter(private=True).order_by("-created_at")
        ids = list(newest.values_list("pk", flat=True)[:public])
        VideoJob.objects.filter(pk__in=ids).update(private=False)
        connection.connection.execute("ANALYZE jobs_videojob")
        for status in ("", *Status.values):
            page = partial(public_jobs.page, status=status, number=1, now=timezone.now())
            assert rows_read_by(page) < 24 * 8
