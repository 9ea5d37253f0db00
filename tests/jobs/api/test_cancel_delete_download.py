"""Cancelling, deleting and downloading a job, and the effect on its tokens."""

import pytest
from django.utils import timezone

from jobs import lifecycle
from jobs.input_images import Image
from jobs.models import JobEvent, JobImage
from jobs.providers.base import Inputs, ProviderError
from jobs.storage.base import video_name
from tests.api import COST, ID, JOBS, NO_JOBS, TOKENS, assert_fault, assert_problem
from tests.job_states import STATES, kept
from tokens_ledger.models import Entry

BEFORE, AFTER = ["PENDING", "submitting"], ["generating", "storing"]
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
    @pytest.mark.parametrize("state", [*BEFORE, *AFTER])
    def test_active_job_is_cancelled_and_refunded_before_submission(
        self, client, cancel, new_job, alice, tokens, state
    ):
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
        refund = COST if state in BEFORE else 0
        assert shown["tokensRefunded"] == refund
        assert entries(job) == ([-50, 50] if refund else [-50])
        assert tokens(alice) == TOKENS - COST + refund

    def test_requeued_job_is_refunded(self, cancel, new_job, alice, tokens):
        job = new_job("submitting")
        lifecycle.requeue(job=job, error=BUSY, now=timezone.now())
        assert cancel(job).json()["tokensRefunded"] == 50
        assert tokens(alice) == TOKENS

    @pytest.mark.parametrize("state", ["PENDING", "generating"])
    def test_second_cancel_changes_nothing(self, cancel, delete, new_job, state):
        job = new_job(state)
        first, before = cancel(job), entries(job)
        again = cancel(job)
        assert (again.status_code, again.json()) == (200, first.json())
        delete(job)
        assert entries(job) == before

    @pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
    def test_ended_job_is_409(self, client, cancel, new_job, alice, tokens, state):
        job = new_job(state)
        shown, before = client.job(job), tokens(alice)
        body = assert_problem(cancel(job), 409, "already_finished")
        assert set(body) == {"detail", "code"}
        assert client.job(job) == shown
        assert tokens(alice) == before

    def test_cancel_frees_a_place(self, client, cancel, new_job):
        jobs = [new_job() for _ in range(3)]
        assert client.create().status_code == 429
        cancel(jobs[1])
        assert client.create().status_code == 202

    def test_cancel_is_in_the_log(self, cancel, new_job):
        messages = [line["message"] for line in cancel(new_job()).json()["logs"]]
        assert messages == ["📝 Job created", "🛑 Cancelled by user", "💰 50 tokens refunded"]


class TestDelete:
    @pytest.mark.parametrize("state", STATES)
    def test_delete_removes_all_but_the_ledger_entries_and_refunds_as_cancel_does(
        self, client, delete, new_job, alice, tokens, state
    ):
        job = new_job(state, inputs=PICTURES, initial_image=True)
        answer = delete(job)
        assert (answer.status_code, answer.content) == (204, b"")
        assert kept(job) is None
        assert not JobImage.objects.exists()
        assert not JobEvent.objects.exists()
        back = state in (*BEFORE, "FAILED", "CANCELLED")
        assert entries(job) == ([-50, 50] if back else [-50])
        assert tokens(alice) == (TOKENS if back else TOKENS - COST)
        assert_problem(client.get(f"{JOBS}/{job.pk}"), 404, "not_found")
        assert client.get(JOBS).json() == NO_JOBS

    def test_deleted_job_is_404(self, client, delete, new_job):
        job = new_job()
        delete(job)
        assert_problem(delete(job), 404, "not_found")
        assert_problem(client.post(f"{JOBS}/{job.pk}/cancel"), 404, "not_found")
        assert_problem(client.get(f"{JOBS}/{job.pk}/download"), 404, "not_found")

    def test_delete_frees_a_place(self, client, delete, new_job):
        jobs = [new_job() for _ in range(3)]
        delete(jobs[0])
        assert client.create().status_code == 202

    def test_delete_keeps_the_video_file(self, client, delete, new_job, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        job = new_job("SUCCEEDED")
        file = tmp_path / f"{video_name(job.pk)}.mp4"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"video")
        url = client.job(job)["cloudinaryUrl"]
        delete(job)
        assert b"".join(client.get(url).streaming_content) == b"video"


class TestDownload:
    def test_download_redirects_to_the_absolute_url(self, client, new_job):
        job = new_job("SUCCEEDED")
        answer = client.get(f"{JOBS}/{job.pk}/download")
        assert answer.status_code == 302
        assert answer["Location"] == client.job(job)["cloudinaryUrl"]
        assert answer["Location"] == f"http://testserver/media/{video_name(job.pk)}.mp4"
        assert answer.content == b""

    @pytest.mark.parametrize(
        ("state", "detail"),
        [
            ("PENDING", "The video is not ready yet"),
            ("storing", "The video is not ready yet"),
            ("FAILED", "There is no video: the job ended as FAILED"),
            ("CANCELLED", "There is no video: the job ended as CANCELLED"),
        ],
    )
    def test_job_without_video_is_400(self, client, new_job, state, detail):
        answer = client.get(f"{JOBS}/{new_job(state).pk}/download")
        assert assert_fault(answer, code="not_ready")["detail"] == detail

    def test_unknown_job_is_404(self, client):
        for id in (ID, "nonsense"):
            assert_problem(client.get(f"{JOBS}/{id}/download"), 404, "not_found")
