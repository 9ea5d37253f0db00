"""The action "Take down": the owner reads why, and nobody can undo it."""

from django.utils import timezone

from jobs import removals
from jobs.models import VideoRemoval
from jobs.worker import removals as worker
from tests.api import JOBS, assert_problem
from tests.job_states import kept
from tests.staff_site import page_of, press, said

REASON = "The video shows a person who did not agree."


class TestTakeDown:
    def test_owner_reads_the_reason_and_cannot_change_it(self, support, client, new_job):
        job = new_job("SUCCEEDED")
        page = press(support, "take_down", job, reason=REASON)
        assert said(page) == [f"Job {job.pk}: its video is taken down."]
        shown = client.job(job)
        assert (shown["cloudinaryUrl"], shown["posterUrl"]) == (None, None)
        assert shown["videoRemovedReason"] == REASON
        assert shown["logs"][-1]["message"] == "🗑️ Video removed by support"
        assert (shown["tokensRefunded"], shown["status"]) == (0, "SUCCEEDED")
        assert "support" not in str(shown).replace("by support", "")
        page = support.get(page_of(job)).text
        assert "Taken down by support" in page
        assert REASON in page
        answer = client.delete(f"{JOBS}/{job.pk}/video")
        assert (answer.status_code, answer.json()["videoRemovedReason"]) == (200, REASON)
        assert_problem(client.get(f"{JOBS}/{job.pk}/download"), 410, "video_removed")

    def test_several_are_taken_down_and_others_are_skipped(self, support, new_job, many):
        jobs = [new_job("SUCCEEDED"), new_job("SUCCEEDED"), new_job("FAILED")]
        worker.remove_due()
        VideoRemoval.objects.all().delete()
        lines = said(press(support, "take_down", *jobs, reason=REASON))
        assert lines[0] == "Take down: 2 done, 1 skipped."
        assert sorted(line.partition(": ")[2] for line in lines[1:]) == [
            "has no video.",
            "its video is taken down.",
            "its video is taken down.",
        ]
        assert VideoRemoval.objects.count() == 2

    def test_it_cannot_be_undone_or_repeated(self, operator, new_job):
        job = new_job("SUCCEEDED")
        press(operator, "take_down", job, reason=REASON)
        page = operator.get(page_of(job)).text
        assert "/take_down/" not in page
        assert "/fetch/" not in page
        for action in ("take_down", "fetch"):
            [line] = said(press(operator, action, job, reason="Again", price="free"))
            assert "video removed" in line
        assert kept(job).video_removed_reason == REASON


class TestList:
    def test_staff_see_what_could_not_be_deleted(self, support, new_job):
        job = new_job("SUCCEEDED")
        removals.remove(job=job, now=timezone.now())
        VideoRemoval.objects.update(attempts=3, last_error="Cloudinary: GeneralError")
        listed = support.get("/admin/jobs/videoremoval/").text
        assert str(job.pk) in listed
        assert "Cloudinary: GeneralError" in listed
        overview = support.get("/admin/").text
        assert "Videos to remove:" in overview
        assert "failed: 1" in overview
