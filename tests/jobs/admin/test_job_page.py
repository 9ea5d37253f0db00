"""The page of a job: what happened, in order, with what clients never see marked."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import events, lifecycle, model_availability
from jobs.admin import job_summary, timeline
from jobs.failures import Failure
from jobs.input_images import Image
from jobs.models import JobImage, SubmissionGate, Tick, VideoJob
from jobs.providers.base import Inputs
from jobs.storage.base import video_name
from tests.job_states import OPERATION, bring, kept
from tests.staff_site import LIST, page_of, press
from tokens_ledger import ledger

NOW = timezone.now()


def moments(job):
    return [(moment.kind, moment.what) for moment in timeline.of(kept(job))]


class TestTimeline:
    def test_timeline_merges_log_provider_storage_tokens_and_staff(self, new_job, operator):
        job = new_job("SUCCEEDED")
        press(operator, "refund", job)
        assert moments(job) == [
            ("log", "📝 Job created"),
            ("log", "🚀 Starting video generation"),
            ("log", "☁️  Calling Google Veo API..."),
            ("log", "🎬 Video generation in progress..."),
            ("log", "💾 Saving the video..."),
            ("log", "✅ Video generation completed successfully!"),
            ("upstream", "Accepted by the mock"),
            ("upstream", "The video was delivered"),
            ("storage", f"Stored as {video_name(job.pk)}.mp4, 123\xa0bytes"),
            ("tokens", "Charge -50, balance 950"),
            ("log", "💰 50 tokens refunded"),
            ("staff", "Refunded by operator"),
            ("tokens", "Refund +50, balance 1,000"),
        ]

    def test_lines_that_clients_never_see_are_marked(self, new_job, client):
        job = new_job("FAILED", mock_mode=False)
        seen = [line["message"] for line in client.job(job)["logs"]]
        for moment in timeline.of(kept(job)):
            if moment.kind == "log":
                assert moment.internal == (moment.what not in seen)
        internal = [moment.detail for moment in timeline.of(kept(job)) if moment.internal]
        assert OPERATION in internal
        assert any("raw words of the provider" in detail for detail in internal)

    def test_failed_attempts_are_shown(self, new_job, support):
        job = new_job("generating")
        lifecycle.step_failed(job=job, error=Exception("503 overloaded"), now=timezone.now())
        assert ("log", "A step of generating failed and will be retried") in moments(job)
        text = support.get(page_of(job)).text
        assert "503 overloaded" in text
        assert "Consecutive failures in generating: 1" in text

    def test_late_answer_is_shown(self, new_job, support):
        job = new_job("submitting")
        unknown = Failure(code="provider.unknown_submission", message="Nobody knows.")
        lifecycle.fail(job=job, failure=unknown, now=timezone.now())
        lifecycle.submitted(accepted={job: "operations/late"}, now=timezone.now())
        text = support.get(page_of(job)).text
        assert "The provider took it after all" in text
        assert "operations/late" in text

    def test_gaps_between_lines_are_shown(self, new_job):
        long_ago = NOW - timedelta(hours=2)
        job = new_job("generating", now=long_ago)
        events.add(job, "later", long_ago + timedelta(seconds=95))
        gaps = {moment.what: (moment.gap, moment.long) for moment in timeline.of(kept(job))}
        assert gaps["📝 Job created"] == ("", False)
        assert gaps["later"] == ("+1 min 35 s", True)

    def test_long_timeline_keeps_the_newest_and_staff_actions(self, new_job, operator, monkeypatch):
        monkeypatch.setattr(timeline, "MAX_EVENTS", 5)
        job = new_job("generating")  # which left four lines
        press(operator, "refund", job)  # which leaves two
        for n in range(20):
            events.add(job, f"line {n}", timezone.now())
        shown = [what for _, what in moments(job)]
        assert "📝 Job created" not in shown
        assert shown.count("Refunded by operator") == 1
        assert shown[-6:] == [
            "20 earlier lines are not shown",
            *(f"line {n}" for n in range(15, 20)),
        ]
        assert "20 earlier lines are not shown" in operator.get(page_of(job)).text
        press(operator, "fail", job)
        assert "Marked as failed by operator" in operator.get(page_of(job)).text

    def test_one_line_that_is_not_shown_is_singular(self, new_job, monkeypatch):
        job = new_job("generating")
        monkeypatch.setattr(timeline, "MAX_EVENTS", job.events.count() - 1)
        assert "1 earlier line is not shown" in [what for _, what in moments(job)]

    def test_queries_do_not_grow_with_the_events(self, new_job, operator):
        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert operator.get(page_of(job)).status_code == 200
            return len(captured)

        job = new_job("SUCCEEDED")
        press(operator, "refund", job)
        queries()  # fills caches
        few = queries()
        for n in range(30):
            events.add(job, f"line {n}", timezone.now())
        assert queries() == few


class TestSummary:
    @pytest.mark.parametrize(("state", "said"), [
        ("PENDING", "Has waited to start for 2 s. 50 tokens are charged."),
        ("generating", "Running for 2 s, generating: Video generation in progress..."),
        ("SUCCEEDED", "The video was stored after 0 s. 50 tokens were charged and not "),
        ("FAILED", "Failed after 0 s (safety.output): The video was held back. The 50 tokens"),
        ("CANCELLED", "Cancelled after 0 s, before it was submitted to the provider."),
    ])  # fmt: skip
    def test_summary_describes_the_state(self, new_job, state, said):
        job = kept(new_job(state, now=NOW))
        assert job_summary.of(job, NOW + timedelta(seconds=2)).startswith(said)


class TestOutlook:
    @pytest.fixture(autouse=True)
    def workers(self, db):
        Tick.objects.update(next_at=timezone.now())

    def shown(self, browser, job):
        found = browser.get(page_of(job)).context["outlook"]
        return f"{found.why} {found.next}"

    def test_silent_workers_are_named(self, support, new_job):
        Tick.objects.update(next_at=NOW - timedelta(minutes=4))
        for job in (new_job(), new_job("generating")):
            assert "No worker has responded since " in self.shown(support, job)
            assert "no tokens are lost" in self.shown(support, job)

    def test_place_in_line_and_limits_of_google_are_named(self, support, new_job, bob, settings):
        settings.VEO_CREATES_PER_MINUTE = 1
        new_job(user=bob, mock_mode=False)
        shown = self.shown(support, new_job(mock_mode=False))
        assert "1 job is ahead of it. Google takes at most 50 of our videos at a time" in shown
        assert "It starts in about 1 min" in shown
        assert "A worker starts it within seconds." in self.shown(support, new_job())

    def test_pause_of_google_is_named_for_its_jobs_only(self, support, new_job):
        SubmissionGate.objects.update(opens_at=timezone.now() + timedelta(minutes=9))
        said = "Google asked us to slow down: nothing is submitted until"
        assert said in self.shown(support, new_job(mock_mode=False))
        assert said not in self.shown(support, new_job())

    def test_limit_of_the_user_is_named(self, support, new_job, settings):
        _, _, last = new_job("generating"), new_job(), new_job()
        settings.VIDEO_MAX_ACTIVE_JOBS = 2
        said = "alice has 1 job running, and older waiting jobs come first. At most 2"
        assert said in self.shown(support, last)

    def test_missing_model_is_named(self, support, new_job):
        job = new_job(mock_mode=False)
        name = model_availability.google_id(job.model)
        model_availability.close(google_id=name, cause="404", now=timezone.now())
        assert f"Google has not offered {job.model} since" in self.shown(support, job)

    def test_next_step_of_a_running_job_is_named(self, support, new_job):
        job = new_job("generating")
        assert "Without success it ends as FAILED at" in self.shown(support, job)
        lifecycle.step_failed(job=job, error=Exception("503"), now=timezone.now())
        assert "The last step failed (1 time in a row)." in self.shown(support, job)
        VideoJob.objects.update(next_step_at=NOW - timedelta(minutes=3))
        assert "and no worker has claimed it" in self.shown(support, job)
        assert support.get(page_of(new_job("FAILED"))).context["outlook"] is None


class TestPage:
    @pytest.mark.parametrize("state", ["storing", "SUCCEEDED"])
    def test_page_shows_the_job(self, support, new_job, state):
        job = new_job(state, prompt="An owl & a cat", negative_prompt="No rain", seed=4294967295)
        text = support.get(page_of(job)).text
        for shown in (str(job.pk), "An owl &amp; a cat", "alice@example.com", "16:9", "720p",
                       "No rain", "4294967295"):  # fmt: skip
            assert shown in text
        assert text.count("An owl") == text.count("No rain") == 1
        for file in (f'src="/media/{video_name(job.pk)}.mp4"', f'poster="{job.poster_url}"'):
            assert (file in text) == (state == "SUCCEEDED")

    def test_input_images_are_shown_until_the_end(self, support, new_job):
        image = Image(content=b"pixels", width=640, height=360, sha256="1")
        inputs = Inputs(initial_image=image)
        job = new_job("generating", inputs=inputs, initial_image=True)
        picture = f"/admin/jobs/jobimage/{JobImage.objects.get().pk}/picture/"
        assert f'src="{picture}"' in support.get(page_of(job)).text
        bring(job, "CANCELLED")
        text = support.get(page_of(job)).text
        assert picture not in text
        assert "The input images were deleted when the job ended." in text

    def test_only_possible_actions_are_shown(self, operator, new_job):
        def actions(job):
            page = operator.get(page_of(job))
            return {action.name for action in page.context["actions"]}

        assert actions(new_job("SUCCEEDED")) == {"refund", "retry", "fetch", "take_down"}
        assert actions(new_job("FAILED")) == {"retry", "fetch"}
        assert actions(new_job("FAILED", initial_image=True)) == {"fetch"}
        assert actions(new_job("generating")) == {"refund", "cancel", "fail"}
        assert actions(new_job("CANCELLED")) == {"retry"}
        assert actions(new_job(mock_mode=False)) == {"refund", "cancel", "fail"}

    def test_public_page_is_linked_unless_the_job_is_private(self, support, new_job):
        job = new_job("SUCCEEDED")
        link = f'href="/video-monitor/{job.pk}"'
        assert link in support.get(page_of(job)).text
        VideoJob.objects.update(private=True)
        assert link not in support.get(page_of(job)).text

    def test_current_balance_is_shown(self, support, new_job, alice):
        job = new_job("SUCCEEDED")
        ledger.grant(user=alice, amount=12_000, note="")
        assert "has 12,950 tokens now" in support.get(page_of(job)).text

    def test_history_shows_staff_actions_or_their_absence(self, operator, new_job):
        job, said = new_job("SUCCEEDED"), "No member of staff has changed anything here."
        assert said in operator.get(f"{LIST}{job.pk}/history/").text
        press(operator, "refund", job)
        text = operator.get(f"{LIST}{job.pk}/history/").text
        assert "50 tokens refunded. Reason: Never came" in text
        assert said not in text

    @pytest.mark.parametrize("id", ["nonsense", "0" * 32])
    def test_unknown_or_invalid_id_redirects_with_a_message(self, support, id):
        answer = support.get(f"{LIST}{id}/change/", follow=True)
        assert answer.status_code == 200
        assert "Perhaps it was deleted?" in answer.text
