"""The owner removes a video, with its job or alone."""

from pathlib import Path

import pytest
from django.conf import settings as configured

from jobs.models import VideoJob, VideoRemoval
from jobs.storage.base import video_name
from jobs.worker import removals, steps
from tests.api import COST, JOBS, NO_JOBS, TOKENS, assert_fault, assert_problem
from tests.job_states import STATES, bring, kept
from tokens_ledger.models import Entry

ENDINGS = ("mp4", "jpg")


@pytest.fixture
def disk(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES}  # so that the storage is made again
    return tmp_path


@pytest.fixture
def video_of(disk):
    """Writes the files of a job's video and poster."""

    def video_of(job) -> list[Path]:
        files = [disk / f"{video_name(job.pk)}.{ending}" for ending in ENDINGS]
        files[0].parent.mkdir(parents=True, exist_ok=True)
        for file in files:
            file.write_bytes(b"video")
        return files

    return video_of


@pytest.fixture
def remove(client):
    return lambda job: client.delete(f"{JOBS}/{job.pk}/video")


class TestRemove:
    def test_job_stays_and_says_that_its_video_was_removed(self, client, remove, new_job, tokens):
        job = new_job("SUCCEEDED")
        before = client.job(job)
        tag = client.get(f"{JOBS}/{job.pk}")["ETag"]
        answer = remove(job)
        shown = answer.json()
        assert (answer.status_code, shown) == (200, client.job(job))
        removed = {
            "cloudinaryUrl": None,
            "posterUrl": None,
            "videoRemovedReason": "owner",
            "videoRemovedAt": shown["videoRemovedAt"],
            "logs": [*before["logs"], shown["logs"][-1]],
        }
        assert shown == before | removed
        assert shown["videoRemovedAt"]
        assert shown["logs"][-1]["message"] == "🗑️ Video removed by user"
        assert client.get(f"{JOBS}/{job.pk}", headers={"if-none-match": tag}).status_code == 200
        assert client.get(JOBS).json()["jobs"] == [shown]
        assert tokens(job.user) == TOKENS - COST
        assert Entry.objects.filter(reference=str(job.pk)).count() == 1

    def test_second_call_answers_the_same(self, remove, new_job):
        job = new_job("SUCCEEDED")
        first, again = remove(job), remove(job)
        assert (again.status_code, again.json()) == (200, first.json())
        removals.remove_due()
        assert remove(job).json() == first.json()
        assert not VideoRemoval.objects.exists()

    @pytest.mark.parametrize("state", ["PENDING", "storing", "FAILED", "CANCELLED"])
    def test_job_without_video_is_refused(self, client, remove, new_job, state):
        job = new_job(state)
        before, ended = client.job(job), state in ("FAILED", "CANCELLED")
        pending = VideoRemoval.objects.count()
        assert_problem(remove(job), *((404, "not_found") if ended else (409, "not_ready")))
        assert client.job(job)["status"] == before["status"]
        assert VideoRemoval.objects.count() == pending

    def test_another_users_job_is_404(self, stranger, new_job):
        job = new_job("SUCCEEDED")
        assert_problem(stranger.delete(f"{JOBS}/{job.pk}/video"), 404, "not_found")
        assert kept(job).video_url

    def test_download_is_410(self, client, remove, new_job):
        job = new_job("SUCCEEDED")
        remove(job)
        assert_problem(client.get(f"{JOBS}/{job.pk}/download"), 410, "video_removed")


class TestFiles:
    def test_media_url_is_404_before_the_files_are_gone(self, client, remove, new_job, video_of):
        job = new_job("SUCCEEDED")
        files = video_of(job)
        urls = [client.job(job)[name] for name in ("cloudinaryUrl", "posterUrl")]
        tags = [tag_of(client.get(url)) for url in urls]
        remove(job)
        for url, tag in zip(urls, tags, strict=True):
            assert client.get(url).status_code == 404
            assert client.get(url, headers={"if-none-match": tag}).status_code == 404
        assert all(file.exists() for file in files)
        removals.remove_due()
        assert not any(file.exists() for file in files)
        assert not VideoRemoval.objects.exists()

    def test_monitor_shows_neither_video_nor_poster(self, client, anonymous, remove, new_job):
        job = new_job("SUCCEEDED")
        remove(job)
        for page in ("/video-monitor", f"/video-monitor/{job.pk}"):
            shown = anonymous.get(page).content.decode()
            assert "/media/" not in shown
            assert "Video removed" in shown


class TestDeleteJob:
    @pytest.mark.parametrize("video", ["true", "TRUE"])
    def test_video_goes_with_its_job(self, client, new_job, video_of, video):
        job = new_job("SUCCEEDED")
        files = video_of(job)
        url = client.job(job)["cloudinaryUrl"]
        assert client.delete(f"{JOBS}/{job.pk}?video={video}").status_code == 204
        assert client.get(url).status_code == 404
        removals.remove_due()
        assert not any(file.exists() for file in files)
        assert client.get(JOBS).json() == NO_JOBS

    @pytest.mark.parametrize("query", ["", "?video=false"])
    def test_video_stays_otherwise(self, client, new_job, video_of, query):
        job = new_job("SUCCEEDED")
        files = video_of(job)
        client.delete(f"{JOBS}/{job.pk}{query}")
        removals.remove_due()
        assert all(file.exists() for file in files)

    @pytest.mark.parametrize("state", STATES)
    def test_job_in_any_state_is_deleted(self, client, new_job, state):
        job = new_job(state)
        assert client.delete(f"{JOBS}/{job.pk}?video=true").status_code == 204
        assert not VideoJob.objects.exists()
        due = list(VideoRemoval.objects.values_list("cause", flat=True))
        stored = {"SUCCEEDED": ["owner"], "storing": ["unused"], "FAILED": ["unused"]}
        assert due == stored.get(state, [])  # FAILED while storing

    def test_other_query_is_400(self, client, new_job):
        job = new_job("SUCCEEDED")
        for query in ("video=yes", "video=", "vide=true"):
            answer = client.delete(f"{JOBS}/{job.pk}?{query}")
            assert_fault(answer, field=query.partition("=")[0])
        assert kept(job).video_url


class TestStoreUnderWay:
    """A worker uploads the video while somebody else ends the job."""

    @pytest.fixture
    def stored_by(self, settings, disk, new_job, monkeypatch):
        """Ends a job with `end` after its video was uploaded, and records the answer then."""
        settings.MOCK_SECONDS = 0

        def stored_by(end):
            job = new_job("storing")
            VideoJob.objects.update(operation="mock/1700000000.000/0/video/720p-16x9-8s")
            record = steps.StoreStep.record

            def end_first(step, job, answer):
                end(job)
                record(step, job, answer)

            monkeypatch.setattr(steps.StoreStep, "record", end_first)
            steps.store_due()
            return file_of(job)

        return stored_by

    @pytest.mark.parametrize("call", ["cancel", "delete", "delete?video=true"])
    def test_its_file_is_deleted_at_once(self, client, stored_by, call):
        def end(job):
            if call == "cancel":
                return client.post(f"{JOBS}/{job.pk}/cancel")
            return client.delete(f"{JOBS}/{job.pk}{call.removeprefix('delete')}")

        file = stored_by(end)
        assert file.exists()
        assert client.get(f"{configured.MEDIA_URL}ai_studio/videos/{file.name}").status_code == 404
        removals.remove_due()
        assert not file.exists()
        assert not VideoRemoval.objects.exists()

    def test_file_of_a_job_that_another_worker_stored_stays(self, client, stored_by):
        file = stored_by(bring_to_end)
        removals.remove_due()
        assert file.exists()

    def test_file_of_a_removed_video_is_deleted_again(self, client, stored_by):
        def end(job):
            bring_to_end(job)
            client.delete(f"{JOBS}/{job.pk}/video")
            removals.remove_due()
            file_of(job).write_bytes(b"uploaded later")

        file = stored_by(end)
        assert file.exists()
        removals.remove_due()
        assert not file.exists()


def tag_of(answer):
    assert b"".join(answer.streaming_content)  # and so the test client closes the file
    return answer["ETag"]


def file_of(job):
    return Path(configured.MEDIA_ROOT) / f"{video_name(job.pk)}.mp4"


def bring_to_end(job):
    bring(VideoJob.objects.get(pk=job.pk), "SUCCEEDED")
