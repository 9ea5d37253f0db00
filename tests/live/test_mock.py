"""Jobs of the mock from POST to the video, stored on the local disk."""

import secrets
import time
from typing import Any
from urllib.parse import urlsplit

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
    """A new user for each class. No test leaves her an active job."""
    return studio.user(f"alice-{secrets.token_hex(4)}")


@pytest.fixture(scope="class")
def finished(alice):
    """A job that has succeeded; the last test of the class deletes it."""
    return alice.wait(alice.order("A lighthouse for everybody")["id"])


def poll_until(client, job, reached, seconds=30):
    """The job once `reached(job)` is true; its progress must not fall on the way."""
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
    def test_each_order_gets_the_sample_of_its_kind(self, alice):
        orders: dict[str, dict[str, Any]] = {
            "720p-9x16-4s-audio": {
                "durationSeconds": 4,
                "aspectRatio": "9:16",
                "generateAudio": "true",
            },
            "720p-16x9-6s": {"durationSeconds": 6, "negativePrompt": "rain", "seed": "7"},
            "1080p-16x9-8s-audio": {"resolution": "1080p", "generateAudio": "true"},
        }
        jobs = {sample: alice.order(**fields)["id"] for sample, fields in orders.items()}
        for sample, job_id in jobs.items():
            job = alice.wait(job_id)
            assert job["status"] == "SUCCEEDED"
            video = ApiClient("").get(job["cloudinaryUrl"])
            assert video.headers["Content-Type"] == "video/mp4"
            assert video.content == (SAMPLES / f"{sample}.mp4").read_bytes()
            poster = ApiClient("").get(job["posterUrl"])
            assert poster.headers["Content-Type"] == "image/jpeg"
            still = f"{sample.removesuffix('-audio')}.jpg"
            assert poster.content == (SAMPLES / still).read_bytes()

    def test_video_is_delivered_in_ranges(self, finished, alice, studio):
        url, whole = finished["cloudinaryUrl"], (SAMPLES / "720p-16x9-8s.mp4").read_bytes()
        assert url.startswith(studio.url)
        answer = alice.get(f"/api/v1/video-jobs/{finished['id']}/download")
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

    def test_video_is_on_the_monitor(self, finished, studio):
        page = ApiClient(studio.url).get("/video-monitor").text
        assert "A lighthouse for everybody" in page
        assert urlsplit(finished["cloudinaryUrl"]).path in page
        assert ApiClient(studio.url).get("/AIStudio/video-monitor").status_code == 200

    def test_finished_job_cannot_be_cancelled_and_its_video_outlives_its_deletion(
        self, finished, alice
    ):
        path = f"/api/v1/video-jobs/{finished['id']}"
        answer = alice.post(f"{path}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "already_finished")
        assert alice.delete(path).status_code == 204
        assert alice.get(path).status_code == 404
        assert ApiClient("").get(finished["cloudinaryUrl"]).status_code == 200
        assert alice.entry_kinds(finished["id"]) == ["charge"]


class TestPromptMarks:
    def test_fail_marks_fail_the_job_and_refund_it(self, alice):
        codes = {
            "[[fail:safety]]": "safety.output",
            "[[fail:provider]]": "provider.unavailable",
        }
        jobs = {code: alice.order(f"A lighthouse {mark}")["id"] for mark, code in codes.items()}
        for code, job_id in jobs.items():
            job = alice.wait(job_id)
            assert (job["status"], job["errorCode"]) == ("FAILED", code)
            assert job["tokensRefunded"] == 50
            assert alice.entry_kinds(job["id"]) == ["charge", "refund"]

    def test_slow_mark_sets_how_long_the_generation_takes(self, alice):
        job = alice.order("A lighthouse [[slow:3]]")
        job = poll_until(alice, job, is_submitted)
        submitted = time.monotonic()
        poll_until(alice, job, lambda job: 5 < job["progressPercentage"] <= 95)
        job = poll_until(alice, job, lambda job: job["status"] in FINAL)
        assert job["status"] == "SUCCEEDED"
        assert time.monotonic() - submitted > 2  # seen at most a second late


class TestCancel:
    def test_cancelling_after_the_submission_keeps_the_tokens(self, alice, studio):
        cancelled, deleted = alice.order("[[slow:2]]"), alice.order("[[slow:2]]")
        for job in (cancelled, deleted):
            poll_until(alice, job, is_submitted)
        answer = alice.post(f"/api/v1/video-jobs/{cancelled['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
        assert alice.post(f"/api/v1/video-jobs/{cancelled['id']}/cancel").json() == answer.json()
        assert alice.delete(f"/api/v1/video-jobs/{deleted['id']}").status_code == 204
        assert alice.entry_kinds(cancelled["id"]) == alice.entry_kinds(deleted["id"]) == ["charge"]
        later = alice.wait(alice.order("[[slow:3]]")["id"])  # over after both would have been
        assert later["status"] == "SUCCEEDED"
        assert alice.job(cancelled["id"]) == answer.json()
        assert alice.get(f"/api/v1/video-jobs/{deleted['id']}").status_code == 404
        folder = studio.folder / "media/ai_studio/videos"
        stored = {file.stem[:36] for file in folder.iterdir()}
        assert stored >= {later["id"]}
        assert not stored & {cancelled["id"], deleted["id"]}

    def test_cancelling_while_waiting_for_a_slot_gives_the_tokens_back(self, alice):
        running = [alice.order("[[slow:60]]") for _ in range(3)]
        waiting = alice.order("waiting")
        for job in running:
            poll_until(alice, job, is_submitted)
        answer = alice.post(f"/api/v1/video-jobs/{waiting['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
        assert answer.json()["tokensRefunded"] == 50
        assert alice.entry_kinds(waiting["id"]) == ["charge", "refund"]
        for job in running:
            assert alice.delete(f"/api/v1/video-jobs/{job['id']}").status_code == 204


class TestWithoutWorkers:
    def test_jobs_wait_and_are_refunded_when_cancelled_or_deleted(self, studio, alice):
        *_, cluster = studio.started.values()
        cluster.terminate()
        assert cluster.wait(30) == 0
        first, second, third = [alice.order() for _ in range(3)]
        assert [alice.job(job["id"])["queuePosition"] for job in (first, second, third)] == [
            *(0, 1, 2)
        ]
        cancelled = alice.post(f"/api/v1/video-jobs/{first['id']}/cancel").json()
        assert (cancelled["status"], cancelled["tokensRefunded"]) == ("CANCELLED", 50)
        assert alice.delete(f"/api/v1/video-jobs/{second['id']}").status_code == 204
        assert (
            alice.entry_kinds(first["id"])
            == alice.entry_kinds(second["id"])
            == ["charge", "refund"]
        )
        assert alice.tokens() == 450
        assert studio.restart_ended() == 1
        assert alice.wait(third["id"])["status"] == "SUCCEEDED"
        assert alice.job(first["id"]) == cancelled


class TestWaitingJobs:
    def test_jobs_over_the_limit_wait_and_start_automatically(self, alice):
        running = [alice.order("[[slow:3]]") for _ in range(3)]
        waiting = [alice.order() for _ in range(2)]
        refused = alice.create(prompt="too many")
        assert refused.status_code == 429
        assert refused.json()["code"] == "too_many_active_jobs"
        assert (refused.json()["activeJobs"], refused.json()["limit"]) == (5, 5)
        assert int(refused.headers["Retry-After"]) > 0
        assert alice.tokens() == 250
        for job in running:
            poll_until(alice, job, is_submitted)
        told = [alice.job(job["id"]) for job in waiting]
        assert [job["status"] for job in told] == ["PENDING", "PENDING"]
        assert [alice.wait(job["id"])["status"] for job in running + waiting] == ["SUCCEEDED"] * 5
        ended = [alice.job(job["id"]) for job in running]
        first = min(job["completedAt"] for job in ended)
        assert all(alice.job(job["id"])["startedAt"] >= first for job in waiting)


class TestLedger:
    def test_check_ledger_finds_nothing_after_all_tests(self, studio):
        assert studio.manage("check_ledger").returncode == 0
