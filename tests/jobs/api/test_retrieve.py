"""`GET /api/v1/video-jobs/{id}`: one job, and polling it."""

import json
import re
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.db.models import F
from django.utils import timezone

from jobs import events, lifecycle, refunds
from jobs.models import Stage, VideoJob
from jobs.providers.base import ProviderError
from jobs.storage.base import video_name
from jobs.worker import leases
from tests.api import ID, JOBS, assert_problem
from tests.job_states import ENDED, OPERATION, STATES, bring, stored

KEYS = {
    *("clientReference", "negativePrompt", "seed", "private"),
    *("id", "userId", "prompt", "model", "resolution", "aspectRatio", "durationSeconds"),
    *("generateAudio", "mockMode", "inputs", "status", "statusMessage", "progressPercentage"),
    *("logs", "tokensConsumed", "tokensRefunded", "cloudinaryUrl", "posterUrl", "errorMessage"),
    *("errorCode", "queuePosition", "estimatedSecondsRemaining", "createdAt", "startedAt"),
    "completedAt",
    "videoRemovedAt",
    "videoRemovedReason",
}
CALLING = "☁️  Calling Google Veo API..."
GENERATING = "Video generation in progress..."
DONE = "Video generation completed successfully!"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
BUSY = ProviderError(code="provider.unavailable", message="x", detail="quota", retryable=True)


@pytest.fixture
def known(client):
    """`known(job, tag)`: the answer to a client that knows this ETag."""
    return lambda job, tag: client.get(f"{JOBS}/{job.pk}", headers={"if-none-match": tag})


class TestJob:
    @pytest.mark.parametrize("state", STATES)
    def test_job_has_every_field_and_no_data_of_provider_and_worker(self, client, new_job, state):
        job = new_job(state, mock_mode=False)
        text = client.get(f"{JOBS}/{job.pk}").text
        for secret in (OPERATION, "operations/", "AIza", "raw words", "submitting", "lease"):
            assert secret not in text
        job = json.loads(text)
        assert set(job) == KEYS
        assert set(job["inputs"]) == {"initialImage", "endFrame", "referenceImages"}
        for line in job["logs"]:
            assert set(line) == {"timestamp", "level", "message"}
            assert TIME.fullmatch(line["timestamp"])
        for name in ("createdAt", "startedAt", "completedAt"):
            assert job[name] is None or TIME.fullmatch(job[name])
        assert (job["startedAt"] is None) == (state in ("PENDING", "CANCELLED"))
        assert (job["completedAt"] is None) == (state not in ENDED)
        assert (job["errorCode"] is None) == (job["errorMessage"] is None) == (state != "FAILED")
        assert (job["queuePosition"] is None) == (state != "PENDING")
        assert state not in ENDED or job["estimatedSecondsRemaining"] is None

    @pytest.mark.parametrize(
        ("state", "status", "message", "percent", "last_line"),
        [
            ("PENDING", "PENDING", "Job queued for processing", 0, "📝 Job created"),
            ("submitting", "RUNNING", "Starting video generation", 0, CALLING),
            ("generating", "RUNNING", GENERATING, 5, f"🎬 {GENERATING}"),
            ("storing", "RUNNING", "Saving the video...", 95, "💾 Saving the video..."),
            ("SUCCEEDED", "SUCCEEDED", DONE, 100, f"✅ {DONE}"),
            ("FAILED", "FAILED", "Video generation failed", 95, "💰 50 tokens refunded"),
            ("CANCELLED", "CANCELLED", "Video generation cancelled", 0, "💰 50 tokens refunded"),
        ],
    )
    def test_status_message_progress_and_last_line_match_the_state(
        self, client, new_job, state, status, message, percent, last_line
    ):
        job = client.job(new_job(state))
        assert (job["status"], job["statusMessage"]) == (status, message)
        assert job["progressPercentage"] == percent
        assert job["logs"][-1]["message"] == last_line

    def test_logs_are_the_lines_of_the_guide_oldest_first(self, client, new_job):
        start = timezone.now()
        job = new_job(now=start)
        for seconds, state in enumerate(["submitting", "generating", "storing", "SUCCEEDED"], 1):
            bring(job, state, now=start + timedelta(seconds=seconds))
        logs = client.job(job)["logs"]
        assert [line["message"] for line in logs] == [
            "📝 Job created",
            "🚀 Starting video generation",
            "☁️  Calling Google Veo API...",
            "🎬 Video generation in progress...",
            "💾 Saving the video...",
            "✅ Video generation completed successfully!",
        ]
        assert {line["level"] for line in logs} == {"info"}
        assert logs == sorted(logs, key=lambda line: line["timestamp"])

    def test_failed_job_shows_its_error(self, client, new_job):
        job = client.job(new_job("FAILED"))
        assert job["errorCode"] == "safety.output"
        assert job["errorMessage"] == "The video was held back."
        assert (job["tokensConsumed"], job["tokensRefunded"]) == (50, 50)
        assert job["cloudinaryUrl"] is None
        error = [line for line in job["logs"] if line["level"] == "error"]
        assert [line["message"] for line in error] == ["❌ The video was held back."]

    def test_local_video_has_absolute_urls(self, client, new_job):
        job = new_job("SUCCEEDED")
        shown = client.job(job)
        assert shown["cloudinaryUrl"] == f"http://testserver/media/{video_name(job.pk)}.mp4"
        assert shown["posterUrl"] == f"http://testserver/media/{video_name(job.pk)}.jpg"

    def test_cloudinary_urls_are_unchanged(self, client, new_job):
        job = new_job("storing")
        url = "https://res.cloudinary.com/x/video/upload/v1/a.mp4"
        video = stored(job).__class__(name="a", url=url, poster_url="", bytes=1)
        lifecycle.succeed(job=job, video=video, now=timezone.now())
        shown = client.job(job)
        assert (shown["cloudinaryUrl"], shown["posterUrl"]) == (url, None)

    def test_id_in_other_spelling_is_found(self, client, new_job):
        id = new_job().pk
        for spelling in (str(id).upper(), id.hex):
            assert client.get(f"{JOBS}/{spelling}").status_code == 200

    def test_unknown_id_is_404(self, client, new_job):
        new_job()
        for id in (
            *(ID, "nonsense", "1", "%00", "%20", "..", "a.b"),
            *("é", "%ff", "x" * 3000, "550e8400-e29b-41d4-a716-44665544000g"),
        ):
            assert_problem(client.get(f"{JOBS}/{id}"), 404, "not_found")

    def test_head_has_no_body(self, client, new_job):
        answer = client.head(f"{JOBS}/{new_job().pk}")
        assert answer.status_code == 200
        assert answer.content == b""
        assert answer["ETag"]


class TestProgress:
    """An estimate from the clock: it never falls, and stays at 95 at most until the end."""

    @pytest.mark.parametrize("mock", [True, False])
    def test_progress_never_falls_and_stops_at_95(self, client, new_job, mock):
        start = timezone.now()
        job = new_job("generating", now=start, mock_mode=mock)
        seen = []
        for seconds in (1, 5, 60, 30, 600, 3600, 10**6, -50):
            lifecycle.progressed(jobs=[job], now=start + timedelta(seconds=seconds))
            job.refresh_from_db()
            seen.append(client.job(job)["progressPercentage"])
        assert seen == sorted(seen)
        assert 0 < seen[0] < seen[-1] <= 95
        lifecycle.generated(job=job, now=start)
        assert seen[-1] <= client.job(job)["progressPercentage"] <= 95
        bring(job, "SUCCEEDED")
        assert client.job(job)["progressPercentage"] == 100

    def test_progress_does_not_fall_for_an_old_copy(self, client, new_job):
        start = timezone.now()
        job = new_job("generating", now=start)
        old = VideoJob.objects.get(pk=job.pk)
        lifecycle.progressed(jobs=[job], now=start + timedelta(hours=1))
        high = client.job(job)["progressPercentage"]
        lifecycle.progressed(jobs=[old], now=start + timedelta(seconds=1))
        assert client.job(job)["progressPercentage"] >= high


class TestQueuePosition:
    def test_position_counts_waiting_jobs_ahead(self, client, stranger, new_job, bob):
        start = timezone.now()
        mine = [new_job(now=start + timedelta(seconds=n)) for n in range(2)]
        his = new_job(user=bob, now=start + timedelta(seconds=5))
        assert client.job(mine[0])["queuePosition"] == 0
        assert stranger.job(his)["queuePosition"] == 1  # his first comes before her second
        assert client.job(mine[1])["queuePosition"] == 2
        bring(mine[0], "CANCELLED")
        assert client.job(mine[0])["queuePosition"] is None
        assert client.job(mine[1])["queuePosition"] == 0

    def test_mock_and_real_jobs_have_separate_lines(self, client, new_job):
        jobs = [new_job(mock_mode=mock) for mock in (True, False)]
        assert [client.job(job)["queuePosition"] for job in jobs] == [0, 0]


class TestEstimate:
    def past(self, new_job, seconds, **order):
        """A job that took so long."""
        start = timezone.now() - timedelta(hours=1)
        job = bring(new_job(now=start, **order), "storing", now=start)
        lifecycle.succeed(job=job, video=stored(job), now=start + timedelta(seconds=seconds))
        caches["local"].clear()  # each process takes some seconds to notice

    def left(self, client, job):
        return client.job(job)["estimatedSecondsRemaining"]

    def test_estimate_without_history_is_null(self, client, new_job):
        assert self.left(client, new_job(mock_mode=False)) is None

    def test_estimate_is_the_median_of_its_kind(self, client, new_job):
        for seconds in (10, 60, 3000):
            self.past(new_job, seconds, mock_mode=False)
        self.past(new_job, 7, mock_mode=True)
        assert self.left(client, new_job(mock_mode=False)) == 60

    def test_estimate_is_cached_for_some_seconds(self, client, new_job):
        assert self.left(client, new_job(mock_mode=False)) is None
        self.past(new_job, 60, mock_mode=False)
        before = self.left(client, new_job(mock_mode=False))
        VideoJob.objects.filter(status="SUCCEEDED").update(started_at=F("created_at"))
        assert before == self.left(client, new_job(mock_mode=False)) == 60

    def test_estimate_shrinks_and_is_null_when_overdue(self, client, new_job):
        self.past(new_job, 60, mock_mode=False)
        ages = (0, 30, 59, 90, 10_000)
        lefts = []
        for age in ages:
            start = timezone.now() - timedelta(seconds=age)
            job = bring(new_job(now=start, mock_mode=False), "generating", now=start)
            lefts.append(self.left(client, job))
            bring(job, "CANCELLED")
        assert lefts == [60, 30, 5, None, None]


class TestCachedEndedJob:
    """The text of a job that has ended is kept by each process."""

    def test_changed_job_is_read_again(self, client, new_job, bob):
        job = new_job("SUCCEEDED")
        before = client.job(job)
        assert client.job(job) == before
        refunds.refund(job=job, actor=bob, reason="Sorry", now=timezone.now())
        after = client.job(job)
        assert after["tokensRefunded"] == 50
        assert len(after["logs"]) == len(before["logs"]) + 1

    def test_urls_name_the_requested_host(self, client, new_job, settings):
        settings.ALLOWED_HOSTS = ["*"]
        job = new_job("SUCCEEDED")
        VideoJob.objects.filter(pk=job.pk).update(video_url="/media/a.mp4")
        urls = [
            client.get(f"{JOBS}/{job.pk}", headers={"host": host}).json()["cloudinaryUrl"]
            for host in ("one.example", "two.example")
        ]
        assert urls == ["http://one.example/media/a.mp4", "http://two.example/media/a.mp4"]

    def test_deleted_job_is_404(self, client, new_job):
        job = new_job("SUCCEEDED")
        client.job(job)
        assert client.delete(f"{JOBS}/{job.pk}").status_code == 204
        assert client.get(f"{JOBS}/{job.pk}").status_code == 404

    def test_stranger_is_404_for_a_cached_job(self, client, stranger, new_job):
        job = new_job("SUCCEEDED")
        client.job(job)
        assert stranger.get(f"{JOBS}/{job.pk}").status_code == 404


class TestPolling:
    @pytest.mark.parametrize("state", STATES)
    def test_known_etag_gets_304_without_reading_the_logs(
        self, client, new_job, known, django_assert_max_num_queries, state
    ):
        job = new_job(state)
        first = client.get(f"{JOBS}/{job.pk}")
        with django_assert_max_num_queries(3) as queries:  # user, job, queue
            answer = known(job, first["ETag"])
        assert not [query for query in queries if "jobs_jobevent" in query["sql"]]
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer["ETag"] == first["ETag"]
        for each in (first, answer):
            assert each.headers.get("Retry-After") == (None if state in ENDED else "3")

    def test_etag_in_any_form_is_recognised(self, client, new_job, known):
        job = new_job()
        tag = client.get(f"{JOBS}/{job.pk}")["ETag"]
        assert re.fullmatch(r'"[\x21\x23-\x7e]+"', tag)
        for form in ("{}", "W/{}", '"other", {}', ' "a" , W/{} , "b"'):
            assert known(job, form.format(tag)).status_code == 304, form
        for other in ("", '"other"', "nonsense", "é"):
            assert known(job, other).status_code == 200, other

    def test_answer_is_private(self, client, new_job):
        assert "private" in client.get(f"{JOBS}/{new_job().pk}")["Cache-Control"]


class TestETag:
    """It changes whenever anything in the answer does."""

    def same(self, client, job):
        answer = client.get(f"{JOBS}/{job.pk}")
        return answer["ETag"], answer.json()

    def assert_news(self, client, job, change):
        before = self.same(client, job)
        change()
        after = self.same(client, job)
        assert before[1] != after[1]
        assert before[0] != after[0]

    def test_etag_changes_with_every_step(self, client, new_job):
        job = new_job()
        for state in ("submitting", "generating", "storing", "SUCCEEDED"):
            self.assert_news(client, job, lambda state=state: bring(job, state))

    @pytest.mark.parametrize("state", ["PENDING", "storing"])
    @pytest.mark.parametrize("end", ["FAILED", "CANCELLED"])
    def test_etag_changes_when_the_job_fails_or_is_cancelled(self, client, new_job, state, end):
        job = new_job(state)
        self.assert_news(client, job, lambda: bring(job, end))

    def test_etag_changes_with_the_progress(self, client, new_job):
        job = new_job("generating")
        later = timezone.now() + timedelta(seconds=5)
        self.assert_news(client, job, lambda: lifecycle.progressed(jobs=[job], now=later))

    def test_etag_changes_when_the_job_is_requeued(self, client, new_job):
        job = new_job("submitting")
        now = timezone.now()
        self.assert_news(client, job, lambda: lifecycle.requeue(job=job, error=BUSY, now=now))

    def test_etag_changes_with_the_queue_position(self, client, new_job):
        first, second = new_job(), new_job()
        self.assert_news(client, second, lambda: bring(first, "CANCELLED"))

    def test_etag_changes_with_the_estimate(self, client, new_job, settings):
        settings.MOCK_SECONDS = 99
        job = new_job("generating")
        long_ago = timezone.now() - timedelta(seconds=50)
        self.assert_news(
            client, job, lambda: VideoJob.objects.filter(pk=job.pk).update(started_at=long_ago)
        )

    def test_answer_stays_when_only_internals_change(self, client, new_job):
        job = new_job("generating")
        before = self.same(client, job)
        later = timezone.now() + timedelta(seconds=60)
        assert leases.claim_due(stage=Stage.GENERATING, limit=9, now=later)
        events.add_late_answer(job=job, what="x", detail="y", now=later)
        assert self.same(client, job)[1] == before[1]

    def test_etag_belongs_to_one_job(self, client, new_job, known):
        one, other = new_job("CANCELLED"), new_job("CANCELLED")
        assert known(other, client.get(f"{JOBS}/{one.pk}")["ETag"]).status_code == 200
