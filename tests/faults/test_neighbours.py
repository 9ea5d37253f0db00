"""The effect of one job's failure on other jobs, and what the owner reads while it waits."""

import pytest

from jobs.models import JobEvent, SubmissionGate, VideoJob
from tests.faults.studio import Studio
from tests.faults.workers import submits_too_slowly

BUSY = "Google Veo is busy. The job waits and starts automatically."
UPSTREAM_PAUSED = "Google Veo asked us to slow down. The job starts automatically."


class TestBusyGoogle:
    def test_is_left_alone_by_everybody_as_long_as_it_says(self, studio: Studio, stranger):
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

    def test_is_left_alone_for_a_moment_where_it_does_not_say(self, studio: Studio, stranger):
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

    def test_is_not_left_alone_for_more_than_an_hour(self, studio: Studio):
        studio.google.fail("create", "429:100000")
        studio.order()
        studio.tick()
        studio.later(3601)
        studio.tick()
        assert studio.calls() == (2, 0, 0)

    def test_keeps_no_other_job_waiting_where_it_was_503(self, studio: Studio, stranger):
        studio.google.fail("create", "503:34")
        studio.order()
        studio.tick()
        studio.order(client=stranger)
        studio.tick()
        assert studio.calls() == (2, 0, 0)

    @pytest.mark.parametrize("answer", ["429:34", "503", "503:34"])
    def test_is_why_the_owner_waits(self, studio: Studio, answer):
        studio.google.fail("create", answer)
        studio.order()
        studio.tick()
        shown = studio.shown()
        assert shown
        assert (shown["status"], shown["statusMessage"]) == ("PENDING", BUSY)
        assert (shown["startedAt"], shown["errorMessage"], shown["errorCode"]) == (None,) * 3
        assert shown["logs"][-1]["level"] == "warning"

    def test_is_asked_as_late_as_it_says_after_a_poll(self, studio: Studio):
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
    def test_does_not_touch_the_jobs_of_the_mock(self, studio: Studio, stranger):
        real = studio.order()
        mock = stranger.create_json(mockMode=True).json()
        studio.restart(GOOGLE_API_KEY="", GOOGLE_CLOUD_PROJECT="")
        studio.tick()
        assert studio.client.job(real)["errorCode"] == "provider.not_configured"
        assert VideoJob.objects.get(pk=mock["id"]).stage == "generating"


class TestLateAnswer:
    def test_is_noted_with_the_operations_name(self, studio: Studio):
        submits_too_slowly(studio)
        record = studio.google.records[-1]
        note = JobEvent.objects.get(job=studio.job, message="The provider took it after all")
        assert (note.internal, note.detail) == (True, record.operation)


class TestGate:
    def test_does_not_open_earlier_for_a_second_job(self, studio: Studio, stranger):
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
