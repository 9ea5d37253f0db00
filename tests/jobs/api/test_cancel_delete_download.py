"""Cancelling, deleting and downloading a job, and the effect on its tokens."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import lifecycle
from jobs.input_images import Image
from jobs.models import JobEvent, JobImage, VideoJob
from jobs.providers.base import Inputs, ProviderError
from tests.api import COST, JOBS, NO_JOBS, TOKENS, assert_fault, assert_problem
from tests.job_states import STATES, bring, kept, stored
from tokens_ledger.models import Entry

BEFORE, AFTER = ["PENDING", "submitting"], ["generating", "storing"]
ACTIVE = [*BEFORE, *AFTER]
BUSY = ProviderError(code="provider.unavailable", message="x", retryable=True)
PICTURES = Inputs(initial_image=Image(content=b"x", width=1, height=1, sha256="1"))


@pytest.fixture
def cancel(client):
    return lambda job: client.post(f"{JOBS}/{job.pk}/cancel")


@pytest.fixture
def delete(client):
    return lambda job: client.delete(f"{JOBS}/{job.pk}")


def entries(job):
    """What the ledger says of the job: [-50], or [-50, 50]."""
    mine = Entry.objects.filter(reference=str(job.pk)).order_by("id")
    return list(mine.values_list("amount", flat=True))


class TestCancel:
    @pytest.mark.parametrize("state", ACTIVE)
    def test_answers_with_the_whole_job_now_cancelled(self, client, cancel, new_job, state):
        job = new_job(state)
        answer = cancel(job)
        assert answer.status_code == 200
        shown = answer.json()
        assert shown == client.job(job)
        assert (shown["status"], shown["statusMessage"]) == (
            "CANCELLED",
            "Video generation cancelled",
        )
        assert shown["completedAt"] is not None
        assert (shown["queuePosition"], shown["estimatedSecondsRemaining"]) == (None, None)
        assert (shown["errorCode"], shown["errorMessage"]) == (None, None)
        assert "Retry-After" not in answer

    @pytest.mark.parametrize("state", BEFORE)
    def test_gives_the_tokens_back_before_the_submission(
        self, cancel, new_job, alice, tokens, state
    ):
        job = new_job(state)
        assert cancel(job).json()["tokensRefunded"] == 50
        assert entries(job) == [-50, 50]
        assert tokens(alice) == TOKENS

    def test_gives_them_back_of_a_job_that_the_provider_did_not_take_yet(
        self, cancel, new_job, alice, tokens
    ):
        job = new_job("submitting")
        lifecycle.requeue(job=job, error=BUSY, now=timezone.now())
        assert cancel(job).json()["tokensRefunded"] == 50
        assert tokens(alice) == TOKENS

    @pytest.mark.parametrize("state", AFTER)
    def test_keeps_them_after_it(self, cancel, new_job, alice, tokens, state):
        job = new_job(state)
        assert cancel(job).json()["tokensRefunded"] == 0
        assert entries(job) == [-50]
        assert tokens(alice) == TOKENS - COST

    @pytest.mark.parametrize("state", ACTIVE)
    def test_does_the_same_a_second_time(self, cancel, new_job, alice, tokens, state):
        job = new_job(state)
        first, before = cancel(job), tokens(alice)
        again = cancel(job)
        assert again.status_code == 200
        assert again.json() == first.json()
        assert tokens(alice) == before

    @pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
    def test_is_refused_at_the_end(self, client, cancel, new_job, alice, tokens, state):
        job = new_job(state)
        shown, before = client.job(job), tokens(alice)
        body = assert_problem(cancel(job), 409, "already_finished")
        assert set(body) == {"detail", "code"}
        assert client.job(job) == shown
        assert tokens(alice) == before

    def test_drops_what_the_provider_delivers_later(self, client, cancel, new_job):
        job = new_job("generating")
        cancel(job)
        shown, now = client.job(job), timezone.now()
        assert not lifecycle.progressed(jobs=[job], now=now)
        assert not lifecycle.generated(job=job, now=now)
        assert not lifecycle.succeed(job=job, video=stored(job), now=now)
        assert client.job(job) == shown

    def test_is_seen_in_the_users_entries(self, client, cancel, new_job):
        job = new_job()
        cancel(job)
        refund, charge, _ = client.get("/api/v1/tokens/entries").json()["entries"]
        assert (refund["kind"], refund["amount"], refund["balanceAfter"]) == ("refund", 50, TOKENS)
        assert (charge["kind"], charge["amount"]) == ("charge", -50)
        assert refund["reference"] == charge["reference"] == str(job.pk)

    def test_makes_room_for_another_job(self, client, cancel, new_job):
        jobs = [new_job() for _ in range(3)]
        assert client.create().status_code == 429
        cancel(jobs[1])
        assert client.create().status_code == 202

    @pytest.mark.parametrize("state", ACTIVE)
    def test_removes_the_input_images(self, cancel, new_job, state):
        job = new_job(state, inputs=PICTURES, initial_image=True)
        shown = cancel(job).json()
        assert not JobImage.objects.exists()
        assert shown["inputs"]["initialImage"] is True

    def test_is_told_in_the_log(self, cancel, new_job):
        messages = [line["message"] for line in cancel(new_job()).json()["logs"]]
        assert messages == ["📝 Job created", "🛑 Cancelled by user", "💰 50 tokens refunded"]

    @pytest.mark.parametrize("path", ["cancel", "cancel/"])
    def test_is_done_by_post_alone(self, client, new_job, path):
        job = new_job()
        for method in ("get", "put", "patch", "delete"):
            answer = getattr(client, method)(f"{JOBS}/{job.pk}/{path}")
            assert_problem(answer, 405, "method_not_allowed")
        assert client.job(job)["status"] == "PENDING"
        assert client.post(f"{JOBS}/{job.pk}/{path}").status_code == 200


class TestDelete:
    @pytest.mark.parametrize("state", STATES)
    def test_leaves_nothing_but_the_ledger(self, client, delete, new_job, state):
        job = new_job(state, inputs=PICTURES, initial_image=True)
        charged = entries(job)[:1]
        answer = delete(job)
        assert (answer.status_code, answer.content) == (204, b"")
        assert kept(job) is None
        assert not JobImage.objects.exists()
        assert not JobEvent.objects.exists()
        assert entries(job)[:1] == charged == [-50]
        assert_problem(client.get(f"{JOBS}/{job.pk}"), 404, "not_found")
        assert client.get(JOBS).json() == NO_JOBS

    @pytest.mark.parametrize("state", STATES)
    def test_pays_back_as_cancelling_does(self, delete, new_job, alice, tokens, state):
        job = new_job(state)
        delete(job)
        back = state in (*BEFORE, "FAILED", "CANCELLED")
        assert entries(job) == ([-50, 50] if back else [-50])
        assert tokens(alice) == (TOKENS if back else TOKENS - COST)

    @pytest.mark.parametrize("state", AFTER)
    def test_does_not_pay_for_a_job_that_was_cancelled_too_late(
        self, cancel, delete, new_job, state
    ):
        job = new_job(state)
        cancel(job)
        delete(job)
        assert entries(job) == [-50]

    @pytest.mark.parametrize("action", ["get", "delete"])
    def test_is_404_a_second_time(self, client, delete, new_job, action):
        job = new_job()
        delete(job)
        assert_problem(getattr(client, action)(f"{JOBS}/{job.pk}"), 404, "not_found")
        assert_problem(client.post(f"{JOBS}/{job.pk}/cancel"), 404, "not_found")
        assert_problem(client.get(f"{JOBS}/{job.pk}/download"), 404, "not_found")

    @pytest.mark.parametrize("state", ACTIVE)
    def test_stops_the_work(self, delete, new_job, state):
        job = new_job(state)
        delete(job)
        now = timezone.now() + timedelta(hours=1)
        assert not lifecycle.submitted(accepted={job: "x"}, now=now)
        assert not lifecycle.progressed(jobs=[job], now=now)
        assert not lifecycle.generated(job=job, now=now)
        assert not lifecycle.succeed(job=job, video=stored(job), now=now)
        assert not lifecycle.step_failed(job=job, error=BUSY, now=now)
        assert not lifecycle.requeue(job=job, error=BUSY, now=now)
        assert not VideoJob.objects.exists()

    def test_makes_room_for_another_job(self, client, delete, new_job):
        jobs = [new_job() for _ in range(3)]
        delete(jobs[0])
        assert client.create().status_code == 202

    def test_leaves_the_video(self, client, delete, new_job, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        job = new_job("SUCCEEDED")
        file = tmp_path / "ai_studio" / "videos" / f"{job.pk}.mp4"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"video")
        url = client.job(job)["cloudinaryUrl"]
        delete(job)
        assert b"".join(client.get(url).streaming_content) == b"video"

    def test_leaves_the_others(self, client, delete, new_job):
        one, other = new_job(), new_job()
        delete(one)
        assert client.job(other)["queuePosition"] == 0

    def test_is_done_with_a_trailing_slash_too(self, client, new_job):
        assert client.delete(f"{JOBS}/{new_job().pk}/").status_code == 204


class TestDownload:
    @pytest.mark.parametrize("path", ["download", "download/"])
    def test_leads_to_the_video_by_an_absolute_address(self, client, new_job, path):
        job = new_job("SUCCEEDED")
        answer = client.get(f"{JOBS}/{job.pk}/{path}")
        assert answer.status_code == 302
        assert answer["Location"] == client.job(job)["cloudinaryUrl"]
        assert answer["Location"] == f"http://testserver/media/ai_studio/videos/{job.pk}.mp4"
        assert answer.content == b""

    def test_leads_to_cloudinary(self, client, new_job):
        job = new_job("storing")
        url = "https://res.cloudinary.com/x/video/upload/v1/a.mp4"
        video = stored(job).__class__(name="a", url=url, poster_url=url, bytes=1)
        lifecycle.succeed(job=job, video=video, now=timezone.now())
        assert client.get(f"{JOBS}/{job.pk}/download")["Location"] == url

    @pytest.mark.parametrize("state", [state for state in STATES if state != "SUCCEEDED"])
    def test_is_400_where_there_is_no_video(self, client, new_job, state):
        answer = client.get(f"{JOBS}/{new_job(state).pk}/download")
        body = assert_fault(answer, code="not_ready")
        ended = state in ("FAILED", "CANCELLED")
        assert body["detail"] == (
            f"There is no video: the job ended as {state}"
            if ended
            else "The video is not ready yet"
        )

    def test_becomes_possible_at_the_end(self, client, new_job):
        job = new_job("storing")
        assert client.get(f"{JOBS}/{job.pk}/download").status_code == 400
        bring(job, "SUCCEEDED")
        assert client.get(f"{JOBS}/{job.pk}/download").status_code == 302

    @pytest.mark.parametrize("id", ["550e8400-e29b-41d4-a716-446655440000", "nonsense"])
    def test_of_an_unknown_job_is_404(self, client, id):
        assert_problem(client.get(f"{JOBS}/{id}/download"), 404, "not_found")
