"""A whole installation without other services: mock videos on this machine's disk."""

import secrets
import time

import pytest

from jobs.providers.mock import SAMPLES
from tests.client import FINAL, ApiClient
from tests.stack import Stack

pytestmark = pytest.mark.live

ENV = {"MOCK_SECONDS": "1", "VIDEO_MAX_WAITING_JOBS": "2", "SIGNUP_GRANT_TOKENS": "500"}


@pytest.fixture(scope="module")
def studio():
    with Stack(env=ENV) as stack:
        yield stack


@pytest.fixture(scope="class")
def alice(studio):
    """Somebody new for each class, which may be begun twice; no test leaves her an active job."""
    return studio.user(f"alice-{secrets.token_hex(4)}")


def order(client, prompt="A lighthouse at dusk", **fields):
    answer = client.create(prompt=prompt, **fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def tokens(client):
    return client.get("/api/v1/tokens").json()["availableTokens"]


def kinds(client, job):
    """Of the job's entries in the ledger, oldest first."""
    entries = client.get("/api/v1/tokens/entries").json()["entries"]
    return [each["kind"] for each in reversed(entries) if each["reference"] == job["id"]]


def until(client, job, reached, seconds=30):
    """The job as it is once `reached(job)`; every state on the way had lower progress."""
    deadline = time.monotonic() + seconds
    while not reached(job):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
        later = client.job(job["id"])
        assert later["progressPercentage"] >= job["progressPercentage"]
        job = later
    return job


def is_submitted(job):
    return job["statusMessage"] == "Video generation in progress..."


class TestVideo:
    @pytest.mark.parametrize(
        ("asked", "sample"),
        [
            ({}, "720p-16x9-8s"),
            (
                {"durationSeconds": 4, "aspectRatio": "9:16", "generateAudio": "true"},
                "720p-9x16-4s-audio",
            ),
            ({"resolution": "1080p", "generateAudio": "true"}, "1080p-16x9-8s-audio"),
        ],
    )
    def test_is_the_sample_that_was_asked_for(self, alice, asked, sample):
        job = alice.wait(order(alice, **asked)["id"])
        assert job["status"] == "SUCCEEDED"
        video, poster = ApiClient("").get(job["cloudinaryUrl"]), ApiClient("").get(job["posterUrl"])
        assert video.headers["Content-Type"] == "video/mp4"
        assert video.content == (SAMPLES / f"{sample}.mp4").read_bytes()
        assert poster.headers["Content-Type"] == "image/jpeg"
        still = f"{sample.removesuffix('-audio')}.jpg"
        assert poster.content == (SAMPLES / still).read_bytes()

    def test_is_delivered_in_ranges(self, alice, studio):
        job = alice.wait(order(alice)["id"])
        url, whole = job["cloudinaryUrl"], (SAMPLES / "720p-16x9-8s.mp4").read_bytes()
        assert url.startswith(studio.url)
        answer = alice.get(f"/api/v1/video-jobs/{job['id']}/download")
        assert (answer.status_code, answer.headers["Location"]) == (302, url)

        def part(wanted):
            return ApiClient("").get(url, headers={"Range": wanted})

        size = len(whole)
        for wanted, first, end in [
            ("bytes=0-99", 0, 100),
            ("bytes=100-", 100, size),
            ("bytes=-100", size - 100, size),
            (f"bytes=1000-{10 * size}", 1000, size),
        ]:
            answer = part(wanted)
            assert answer.status_code == 206
            assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{size}"
            assert answer.content == whole[first:end]
        answer = part(f"bytes={size}-")
        assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{size}")
        assert ApiClient("").get(url).headers["Accept-Ranges"] == "bytes"

    def test_is_on_the_monitor(self, alice, studio):
        job = alice.wait(order(alice, "A lighthouse for everybody")["id"])
        page = ApiClient(studio.url).get("/video-monitor").text
        assert "A lighthouse for everybody" in page
        assert f"/media/ai_studio/videos/{job['id']}.mp4" in page
        assert ApiClient(studio.url).get("/AIStudio/video-monitor").status_code == 200

    def test_stays_when_its_job_is_deleted(self, alice):
        job = alice.wait(order(alice)["id"])
        assert alice.delete(f"/api/v1/video-jobs/{job['id']}").status_code == 204
        assert alice.get(f"/api/v1/video-jobs/{job['id']}").status_code == 404
        assert ApiClient("").get(job["cloudinaryUrl"]).status_code == 200
        assert kinds(alice, job) == ["charge"]


class TestScript:
    @pytest.mark.parametrize(
        ("mark", "code"),
        {"[[fail:safety]]": "safety.output", "[[fail:provider]]": "provider.unavailable"}.items(),
    )
    def test_makes_the_job_fail(self, alice, mark, code):
        job = alice.wait(order(alice, f"A lighthouse {mark}")["id"])
        assert (job["status"], job["errorCode"]) == ("FAILED", code)
        assert job["tokensRefunded"] == 50
        assert kinds(alice, job) == ["charge", "refund"]

    def test_makes_the_job_slow(self, alice):
        job = order(alice, "A lighthouse [[slow:3]]")
        job = until(alice, job, is_submitted)
        submitted = time.monotonic()
        until(alice, job, lambda job: 5 < job["progressPercentage"] <= 95)
        job = until(alice, job, lambda job: job["status"] in FINAL)
        assert job["status"] == "SUCCEEDED"
        assert time.monotonic() - submitted > 2  # seen at most a second late


class TestCancelling:
    """Before the submission nothing was spent; after it the video is paid for."""

    def test_after_the_submission_keeps_the_tokens(self, alice, studio):
        cancelled, deleted = order(alice, "[[slow:2]]"), order(alice, "[[slow:2]]")
        for job in (cancelled, deleted):
            until(alice, job, is_submitted)
        answer = alice.post(f"/api/v1/video-jobs/{cancelled['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
        assert alice.post(f"/api/v1/video-jobs/{cancelled['id']}/cancel").json() == answer.json()
        assert alice.delete(f"/api/v1/video-jobs/{deleted['id']}").status_code == 204
        assert kinds(alice, cancelled) == kinds(alice, deleted) == ["charge"]
        later = alice.wait(order(alice, "[[slow:3]]")["id"])  # over after both would have been
        assert later["status"] == "SUCCEEDED"
        assert alice.job(cancelled["id"]) == answer.json()
        assert alice.get(f"/api/v1/video-jobs/{deleted['id']}").status_code == 404
        folder = studio.folder / "media/ai_studio/videos"
        assert {file.stem for file in folder.iterdir()} >= {later["id"]}
        assert not {file.stem for file in folder.iterdir()} & {cancelled["id"], deleted["id"]}

    def test_while_waiting_for_a_turn_gives_them_back(self, alice):
        running = [order(alice, "[[slow:60]]") for _ in range(3)]
        waiting = order(alice, "waiting")
        for job in running:
            until(alice, job, is_submitted)
        answer = alice.post(f"/api/v1/video-jobs/{waiting['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
        assert answer.json()["tokensRefunded"] == 50
        assert kinds(alice, waiting) == ["charge", "refund"]
        for job in running:
            assert alice.delete(f"/api/v1/video-jobs/{job['id']}").status_code == 204

    def test_of_a_job_that_is_over_is_refused(self, alice):
        job = alice.wait(order(alice)["id"])
        answer = alice.post(f"/api/v1/video-jobs/{job['id']}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "already_finished")


class TestWithoutWorkers:
    def test_jobs_wait_and_can_be_cancelled_and_deleted_for_nothing(self, stack):
        stack = stack(clusters=0, env=ENV)
        alice = stack.user("alice")
        first, second, third = [order(alice) for _ in range(3)]
        assert [alice.job(job["id"])["queuePosition"] for job in (first, second, third)] == [
            *(0, 1, 2)
        ]
        cancelled = alice.post(f"/api/v1/video-jobs/{first['id']}/cancel").json()
        assert (cancelled["status"], cancelled["tokensRefunded"]) == ("CANCELLED", 50)
        assert alice.delete(f"/api/v1/video-jobs/{second['id']}").status_code == 204
        assert kinds(alice, first) == kinds(alice, second) == ["charge", "refund"]
        assert tokens(alice) == 450
        stack.start_cluster()
        assert alice.wait(third["id"])["status"] == "SUCCEEDED"
        assert alice.job(first["id"]) == cancelled
        stack.manage("check_ledger")


class TestWaitingRoom:
    def test_takes_more_than_may_run_and_starts_them_by_itself(self, alice):
        running = [order(alice, "[[slow:3]]") for _ in range(3)]
        waiting = [order(alice) for _ in range(2)]
        refused = alice.create(prompt="too many")
        assert refused.status_code == 429
        assert refused.json()["code"] == "too_many_active_jobs"
        assert (refused.json()["activeJobs"], refused.json()["limit"]) == (5, 5)
        assert int(refused.headers["Retry-After"]) > 0
        assert tokens(alice) == 250
        for job in running:
            until(alice, job, is_submitted)
        told = [alice.job(job["id"]) for job in waiting]
        assert [job["status"] for job in told] == ["PENDING", "PENDING"]
        assert [alice.wait(job["id"])["status"] for job in running + waiting] == ["SUCCEEDED"] * 5
        ended = [alice.job(job["id"]) for job in running]
        first = min(job["completedAt"] for job in ended)
        assert all(alice.job(job["id"])["startedAt"] >= first for job in waiting)


class TestLedger:
    def test_is_in_order_in_the_end(self, studio):
        assert studio.manage("check_ledger").returncode == 0
