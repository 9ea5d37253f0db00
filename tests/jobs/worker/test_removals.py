"""Workers delete removed videos, on this disk and at Cloudinary, until the storage has none."""

from datetime import timedelta

import pytest
import urllib3
from django.utils import timezone
from PIL import Image

from jobs import account_deletion, lifecycle, retention
from jobs import removals as rule
from jobs.models import VideoJob, VideoRemoval
from jobs.storage import videos
from jobs.storage.base import StoredVideo, video_name
from jobs.worker import removals
from tests.fakes import CloudinaryImitation, use_cloudinary
from tests.fakes.vertex import default_video
from tests.job_states import kept
from tests.uploads import encoded

pytestmark = pytest.mark.both  # locks

Cause = VideoRemoval.Cause


@pytest.fixture(scope="module")
def cloud():
    with CloudinaryImitation() as service:
        yield service
        assert service.errors == []


@pytest.fixture
def at_cloudinary(cloud, settings):
    cloud.clear_faults()
    cloud.invalidated.clear()
    use_cloudinary(cloud, settings)
    return cloud


@pytest.fixture
def on_disk(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {**settings.STORAGES}  # so that the storage is made again
    return tmp_path / "media" / "ai_studio" / "videos"


@pytest.fixture
def stored_job(new_job, tmp_path):
    """A job that ended `days` ago, and whose video is in the storage of now."""

    def create(*, days=0, user=None) -> VideoJob:
        at = timezone.now() - timedelta(days=days)
        job = new_job("storing", now=at, **({"user": user} if user else {}))
        lifecycle.succeed(job=job, video=store(job.pk, tmp_path), now=at)
        return kept(job)

    return create


def store(job_id, folder) -> StoredVideo:
    path, poster = folder / "film.mp4", folder / "film.jpg"
    path.write_bytes(default_video("removed", 20_000))
    poster.write_bytes(encoded(Image.new("RGB", (64, 36)), "JPEG"))
    return videos().upload_video(name=video_name(job_id), path=path, poster=poster)


def has_files(job, cloud_or_folder) -> bool:
    if isinstance(cloud_or_folder, CloudinaryImitation):
        return cloud_or_folder.content_of(video_name(job.pk)) is not None
    return any(cloud_or_folder.glob(f"{job.pk}*"))


CAUSES = {
    "owner": lambda job, sam: rule.remove(job=job, now=timezone.now()),
    "staff": lambda job, sam: rule.take_down(
        job=job, actor=sam, reason="It shows a person.", now=timezone.now()
    ),
    "age": lambda job, sam: retention.run(now=timezone.now()),
    "account": lambda job, sam: account_deletion.delete(user=job.user, now=timezone.now()),
}


class TestCauses:
    @pytest.mark.parametrize("place", ["at_cloudinary", "on_disk"])
    @pytest.mark.parametrize("cause", CAUSES)
    def test_files_are_deleted(self, request, settings, stored_job, member, place, cause):
        place = request.getfixturevalue(place)
        settings.VIDEO_KEEP_DAYS = 30
        job = stored_job(days=31)
        assert has_files(job, place)
        CAUSES[cause](job, member("Support"))
        [removal] = VideoRemoval.objects.all()
        assert (removal.job_id, removal.cause) == (job.pk, cause)
        removals.remove_due()
        assert not has_files(job, place)
        assert not VideoRemoval.objects.exists()
        if isinstance(place, CloudinaryImitation):
            assert place.invalidated == [video_name(job.pk)]
        now = kept(job)
        if cause == "account":
            assert now is None
        else:
            reason = "It shows a person." if cause == "staff" else cause
            assert (now.video_url, now.poster_url) == ("", "")
            assert (now.video_removed_reason, bool(now.video_removed_at)) == (reason, True)
            assert now.tokens_refunded == 0

    def test_video_is_deleted_where_it_was_stored(self, settings, stored_job, on_disk, request):
        """The installation has changed to Cloudinary since."""
        job = stored_job()
        request.getfixturevalue("at_cloudinary")
        rule.remove(job=job, now=timezone.now())
        removals.remove_due()
        assert not has_files(job, on_disk)


class TestFailures:
    @pytest.fixture
    def removed(self, at_cloudinary, stored_job, monkeypatch):
        from jobs.storage import cloudinary

        timeout = urllib3.Timeout(connect=0.5, read=0.5)
        monkeypatch.setattr(cloudinary, "DELETE_TIMEOUT", timeout)
        job = stored_job()
        rule.remove(job=job, now=timezone.now())
        return job

    @pytest.mark.parametrize(
        "fault", ["500", "429", "401", "400", "html", "504", "drop-before", "hang"]
    )
    def test_failure_is_tried_again(self, at_cloudinary, removed, fault):
        at_cloudinary.fail("destroy", fault)
        removals.remove_due()
        [removal] = VideoRemoval.objects.all()
        assert removal.attempts == 1
        assert removal.last_error.startswith("Cloudinary")
        assert not any(secret in removal.last_error for secret in ("secret", "key"))
        assert removal.next_try_at > timezone.now()
        VideoRemoval.objects.update(next_try_at=timezone.now())
        removals.remove_due()
        assert not has_files(removed, at_cloudinary)
        assert not VideoRemoval.objects.exists()

    def test_failures_slow_down_and_never_end(self, at_cloudinary, removed):
        at_cloudinary.fail("destroy", "500", times=1e9)
        for attempts in range(1, 40):
            VideoRemoval.objects.update(next_try_at=timezone.now())
            removals.remove_due()
            [removal] = VideoRemoval.objects.all()
            assert removal.attempts == attempts
            wait = removal.next_try_at - timezone.now()
            assert timedelta(0) < wait <= timedelta(seconds=removals.MAX_BACK_OFF)
        assert has_files(removed, at_cloudinary)

    def test_unwritable_disk_is_tried_again(self, on_disk, stored_job, monkeypatch):
        """A read-only disk would need root."""
        job = stored_job()
        rule.remove(job=job, now=timezone.now())
        refuse = PermissionError(13, "Permission denied", "/srv/media")
        monkeypatch.setattr("os.remove", lambda path: (_ for _ in ()).throw(refuse))
        removals.remove_due()
        [removal] = VideoRemoval.objects.all()
        assert "Permission denied" in removal.last_error
        monkeypatch.undo()


class TestClaim:
    def test_removal_whose_worker_died_is_due_after_its_lease(self, on_disk, stored_job):
        job = stored_job()
        rule.remove(job=job, now=timezone.now())
        now = timezone.now()
        [claimed] = removals._claim(now=now)
        assert removals._claim(now=now + removals.LEASE - timedelta(seconds=1)) == []
        [again] = removals._claim(now=now + removals.LEASE)
        assert (again.job_id, again.attempts) == (claimed.job_id, 2)

    def test_single_removals_come_before_many_at_once(self, db):
        now = timezone.now()
        for n in range(12):
            VideoRemoval.objects.create(
                job_id=f"00000000-0000-4000-8000-{n:012}",
                name=f"ai_studio/videos/{n}",
                is_local=True,
                cause=Cause.AGE if n < 10 else Cause.OWNER,
                is_bulk=n < 10,
                created_at=now,
                next_try_at=now - timedelta(hours=12 - n),
            )
        first = removals._claim(now=now)
        assert [removal.cause for removal in first[:3]] == ["owner", "owner", "age"]
        assert len(first) == removals.DELETE_THREADS

    def test_file_that_is_stored_during_the_deletion_is_deleted_again(
        self, on_disk, stored_job, tmp_path
    ):
        job = stored_job()
        rule.remove(job=job, now=timezone.now())
        claimed = removals._claim(now=timezone.now())
        errors = [removals._delete(removal) for removal in claimed]
        store(job.pk, tmp_path)
        rule.stored_too_late(job=job, now=timezone.now())
        removals._record(claimed, errors, now=timezone.now())
        assert has_files(job, on_disk)
        removals.remove_due()
        assert not has_files(job, on_disk)
