"""The effect of one job's failure on other jobs, and what the owner reads while it waits."""

import math

import pytest

from jobs.models import JobEvent, SubmissionGate, VideoJob
from tests.faults.studio import Studio
from tests.faults.workers import submits_too_slowly

pytestmark = pytest.mark.slow

BUSY = "Google Veo is busy. The job waits and starts automatically."
UPSTREAM_PAUSED = "Google Veo asked us to slow down. The job starts automatically."


class TestBusyGoogle:
    def test_429_pauses_all_submissions_as_long_as_it_says(self, studio: Studio, stranger):
        studio.google.fail("create", "429:34")
        mine = studio.order()
        studio.tick()
        bobs = studio.order(client=stranger)
        studio.later(30)
        studio.tick()
        assert studio.calls() == (1, 0, 0)
        shown = stranger.job(bobs)
        assert (shown["status"], shown["statusMessage"]) == ("PENDING", UPSTREAM_PAUSED)
        assert shown["queuePosition"] == 1  # Alice was first, and still is
        studio.later(5)
        studio.tick()
        assert studio.calls() == (3, 0, 0)
        assert {job.stage for job in VideoJob.objects.filter(pk__in=[mine.pk, bobs.pk])} == {
            "generating"
        }

    def test_429_without_a_delay_pauses_all_submissions_briefly(self, studio: Studio, stranger):
        studio.google.fail("create", "429")
        studio.order()
        studio.tick()
        studio.order(client=stranger)
        studio.later(1)
        studio.tick()
        assert studio.calls() == (1, 0, 0)
        studio.later(2)
        studio.tick()
        assert studio.calls() == (3, 0, 0)

    def test_429_pauses_submissions_for_an_hour_at_most(self, studio: Studio):
        studio.google.fail("create", "429:100000")
        studio.order()
        studio.tick()
        studio.later(3601)
        studio.tick()
        assert studio.calls() == (2, 0, 0)

    def test_503s_count_for_the_minute(self, studio: Studio):
        studio.settings.VIDEO_MAX_ACTIVE_JOBS = 20
        studio.settings.VEO_CREATES_PER_MINUTE = 10
        studio.google.fail("create", "503", times=math.inf)
        for _ in range(20):
            studio.order()
        for _ in range(15):
            studio.tick()
            studio.later(2)
        assert studio.calls() == (10, 0, 0)
        studio.later(60)
        studio.tick()
        assert studio.calls() == (20, 0, 0)

    def test_503_delays_no_other_job(self, studio: Studio, stranger):
        studio.google.fail("create", "503:34")
        studio.order()
        studio.tick()
        studio.order(client=stranger)
        studio.tick()
        assert studio.calls() == (2, 0, 0)

    @pytest.mark.parametrize("answer", ["429:34", "503", "503:34"])
    def test_owner_reads_why_the_job_waits(self, studio: Studio, answer):
        studio.google.fail("create", answer)
        studio.order()
        studio.tick()
        shown = studio.shown()
        assert shown
        assert (shown["status"], shown["statusMessage"]) == ("PENDING", BUSY)
        assert (shown["startedAt"], shown["errorMessage"], shown["errorCode"]) == (None,) * 3
        assert shown["logs"][-1]["level"] == "warning"

    def test_next_poll_waits_as_long_as_a_503_says(self, studio: Studio):
        studio.google.fail("poll", "503:34")
        studio.order()
        studio.tick()
        studio.wait()
        studio.tick()
        studio.later(30)
        studio.tick()
        assert studio.calls() == (1, 1, 0)
        studio.later(5)
        studio.tick()
        assert studio.calls() == (1, 2, 0)


class TestMissingKey:
    def test_jobs_of_the_mock_run_without_a_key(self, studio: Studio, stranger):
        real = studio.order()
        mock = stranger.create_json(mockMode=True).json()
        studio.restart(GOOGLE_API_KEY="", GOOGLE_CLOUD_PROJECT="")
        studio.tick()
        assert studio.client.job(real)["errorCode"] == "provider.not_configured"
        assert VideoJob.objects.get(pk=mock["id"]).stage == "generating"


class TestLateAnswer:
    def test_late_answer_is_noted_with_the_name_of_the_operation(self, studio: Studio):
        submits_too_slowly(studio)
        record = studio.google.records[-1]
        note = JobEvent.objects.get(job=studio.job, message="The provider took it after all")
        assert (note.internal, note.detail) == (True, record.operation)


class TestGate:
    def test_pause_is_not_shortened_by_a_second_429(self, studio: Studio, stranger):
        studio.google.fail("create", "429:34")
        studio.google.fail("create", "429:5")
        studio.order()
        studio.order(client=stranger)
        studio.tick()
        assert studio.calls() == (2, 0, 0)
        opens_at = SubmissionGate.objects.get().opens_at
        studio.later(30)
        studio.tick()
        assert studio.calls() == (2, 0, 0)
        assert SubmissionGate.objects.get().opens_at < opens_at
