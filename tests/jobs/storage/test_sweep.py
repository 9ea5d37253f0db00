"""`manage.py sweep_storage` lists and deletes the videos that belong to no job."""

import os
import time
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from PIL import Image

from jobs import lifecycle, removals
from jobs.models import VideoJob
from jobs.storage import videos
from jobs.storage.base import video_name
from tests.fakes import CloudinaryImitation, use_cloudinary
from tests.fakes.vertex import default_video
from tests.uploads import encoded

DAY = 24 * 3600


class Disk:
    def __init__(self, folder):
        self.folder = folder

    def backdate(self, name, days):
        for file in self.folder.glob(f"{name}.*"):
            os.utime(file, (time.time() - days * DAY,) * 2)

    def has(self, name):
        return any(self.folder.glob(f"{name}.*"))


class Cloud:
    def __init__(self, service):
        self.service = service

    def backdate(self, name, days):
        self.service.backdate(name, days)

    def has(self, name):
        return self.service.content_of(name) is not None


@pytest.fixture(params=["disk", "cloudinary"])
def storage(request, settings, tmp_path):
    if request.param == "disk":
        settings.MEDIA_ROOT = tmp_path / "media"
        settings.STORAGES = {**settings.STORAGES}  # so that the storage is made again
        yield Disk(tmp_path / "media")
        return
    with CloudinaryImitation() as service:
        use_cloudinary(service, settings)
        yield Cloud(service)
        assert service.errors == []


@pytest.fixture
def put(storage, tmp_path):
    """Store a video under `name`, `days` ago."""

    def put(name, *, days=2):
        path, poster = tmp_path / "film.mp4", tmp_path / "film.jpg"
        path.write_bytes(default_video("swept", 10_000))
        poster.write_bytes(encoded(Image.new("RGB", (64, 36)), "JPEG"))
        stored = videos().upload_video(name=name, path=path, poster=poster)
        storage.backdate(name, days)
        return stored

    return put


def sweep(*options):
    out = StringIO()
    call_command("sweep_storage", *options, stdout=out)
    return [line.split()[0] for line in out.getvalue().splitlines()[:-1]]


class TestSweep:
    def test_orphans_of_every_kind_go_and_all_others_stay(self, storage, put, new_job, many):
        now = timezone.now()
        stay, go = [], []
        # It may become the job's video.
        stay += [put_for(new_job(state), put) for state in ("PENDING", "generating", "storing")]
        with_video = new_job("storing")
        lifecycle.succeed(job=with_video, video=put_for(with_video, put), now=now)
        stay.append(video_name(with_video.pk))
        young = put(video_name(uuid4()), days=0)
        stay.append(young.name.removesuffix(".mp4"))
        foreign = put("ai_studio/videos/holiday")
        stay.append(foreign.name.removesuffix(".mp4"))

        # Stored, and its worker died before it wrote so.
        go += [put_for(new_job(state), put) for state in ("FAILED", "CANCELLED")]
        removed = new_job("storing")
        lifecycle.succeed(job=removed, video=put_for(removed, put), now=now)
        removals.remove(job=removed, now=now)
        go.append(video_name(removed.pk))
        deleted = new_job("storing")
        lifecycle.succeed(job=deleted, video=put_for(deleted, put), now=now)
        lifecycle.delete(job=deleted, now=now)
        go.append(video_name(deleted.pk))
        go.append(put(video_name(uuid4())).name)
        former = put(f"ai_studio/videos/{with_video.pk}")  # by another SECRET_KEY or version
        go.append(former.name)

        stay, go = [names(each) for each in (stay, go)]
        assert sorted(sweep()) == sorted(go)
        assert all(storage.has(name) for name in [*stay, *go])
        assert sorted(sweep("--delete")) == sorted(go)
        assert [name for name in go if storage.has(name)] == []
        assert all(storage.has(name) for name in stay)
        assert sweep("--delete") == []

    @pytest.mark.parametrize("ending", ["mp4", "jpg", "640.jpg"])
    def test_file_that_is_left_alone_is_found(self, settings, tmp_path, db, ending):
        settings.MEDIA_ROOT = tmp_path / "media"
        settings.STORAGES = {**settings.STORAGES}
        disk = Disk(tmp_path / "media")
        name = video_name(uuid4())
        file = disk.folder / f"{name}.{ending}"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"left")
        assert sweep() == []
        disk.backdate(name, days=2)
        assert sweep() == [name]
        assert sweep("--delete") == [name]
        assert not file.exists()

    def test_more_than_a_page(self, storage, put, monkeypatch, db):
        monkeypatch.setattr("jobs.orphans.BATCH_SIZE", 2)
        monkeypatch.setattr("jobs.storage.cloudinary.PAGE_SIZE", 2)
        for _ in range(5):
            put(video_name(uuid4()))
        assert len(sweep("--delete")) == 5
        assert not VideoJob.objects.exists()

    def test_video_that_is_deleted_meanwhile_is_not_named(self, storage, put, db):
        names = {put(video_name(uuid4())).name.removesuffix(".mp4") for _ in range(3)}
        found = videos().stored_before(moment=timezone.now())
        first = next(found)
        for name in names - {first}:
            videos().delete_video(name=name)
        assert {first, *found} <= names

    def test_storage_that_fails_is_one_line(self, storage, put, db, monkeypatch):
        put(video_name(uuid4()))
        if isinstance(storage, Cloud):
            storage.service.fail("destroy", "500")
        else:
            refuse = PermissionError(13, "Permission denied")
            monkeypatch.setattr("os.remove", lambda path: (_ for _ in ()).throw(refuse))
        with pytest.raises(CommandError, match="The storage failed after 0 videos"):
            sweep("--delete")


def put_for(job, put):
    return put(video_name(job.pk))


def names(stored):
    return [getattr(each, "name", each).removesuffix(".mp4") for each in stored]
