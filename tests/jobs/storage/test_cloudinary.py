"""Videos on Cloudinary with the real SDK, against the fake of its upload API."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import urllib3
from django.conf import settings as configured

from jobs.storage.base import StorageError
from tests.fakes import CloudinaryImitation
from tests.fakes.vertex import default_video

pytestmark = [pytest.mark.once, pytest.mark.slow]

NAME = "ai_studio/videos/5f0c9f2e-4f39-4dd1-9e3a-0c9a4e0f2d11"
SECRETS = ("test-cloudinary-key", "test-cloudinary-secret", "signature", "timestamp")


@pytest.fixture
def service():
    with CloudinaryImitation() as service:
        yield service
        assert service.errors == []


@pytest.fixture
def cloudinary_videos(service, settings):
    """The module: the package below it reads its settings as it is imported."""
    settings.CLOUDINARY_STORAGE = {
        "CLOUD_NAME": service.cloud_name,
        "API_KEY": service.api_key,
        "API_SECRET": service.api_secret,
        "PREFIX": "",
    }
    settings.CLOUDINARY_UPLOAD_PREFIX = service.url
    from jobs.storage import cloudinary

    return cloudinary


@pytest.fixture
def videos(cloudinary_videos):
    return cloudinary_videos.CloudinaryVideos()


@pytest.fixture
def film(tmp_path):
    """A video file; `film(bytes)` sets its size."""

    def film(size=50_000):
        (tmp_path / "film.mp4").write_bytes(default_video(f"of {size}", size))
        return tmp_path / "film.mp4"

    return film


def upload(videos, path, name=NAME):
    return videos.upload_video(name=name, path=path, poster=None)


def refusal_of(call):
    """The StorageError of `call`, which tells staff no key and no signature."""
    with pytest.raises(StorageError) as caught:
        call()
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return caught.value


class TestUpload:
    def test_video_is_stored_and_delivered_whole(self, service, videos, film):
        stored = upload(videos, film())
        assert service.content_of(NAME) == film().read_bytes()
        assert (stored.name, stored.bytes) == (NAME, 50_000)
        answer = requests.get(stored.url, timeout=10)
        assert answer.headers["Content-Type"] == "video/mp4"
        assert answer.content == film().read_bytes()

    def test_poster_url_is_the_first_frame(self, videos, film):
        stored = upload(videos, film())
        assert "/video/upload/so_0/v" in stored.poster_url
        answer = requests.get(stored.poster_url, timeout=10)
        assert answer.headers["Content-Type"] == "image/jpeg"

    @pytest.mark.parametrize(("size", "chunks"), [(6_000_000, 1), (6_000_001, 2)])
    def test_large_video_is_sent_in_chunks_of_6_mb(self, service, videos, film, size, chunks):
        upload(videos, film(size))
        assert service.records[NAME].chunks == chunks
        assert service.content_of(NAME) == film(size).read_bytes()

    def test_second_upload_replaces_the_first(self, service, videos, film):
        first = upload(videos, film(1_000))
        second = upload(videos, film(2_000))
        record = service.records[NAME]
        assert service.content_of(NAME) == film(2_000).read_bytes()
        assert (record.completed, len(record.versions)) == (2, 2)
        assert len(service.public_ids) == 1
        assert first.url != second.url  # the version is part of it: no cache shows the old one

    def test_threads_of_a_worker_keep_their_connections(
        self, service, videos, film, monkeypatch, caplog
    ):
        path, answer, connections = film(), service.handle, set()
        threads = configured.STORE_THREADS

        def handle(request):
            connections.add(request.connection.getpeername())
            return answer(request)

        monkeypatch.setattr(service, "handle", handle)
        service.fail("upload", "slow:0.1", times=threads)  # all threads are in the first
        with ThreadPoolExecutor(threads) as pool:
            names = [f"{NAME}-{number}" for number in range(5 * threads)]
            list(pool.map(lambda name: upload(videos, path, name), names))
        assert len(service.public_ids) == 5 * threads
        assert len(connections) == threads
        assert not [line for line in caplog.records if line.name.startswith("urllib3")]

    def test_upload_has_not_the_packages_cleanup_tag(self, cloudinary_videos):
        assert cloudinary_videos.CloudinaryVideos.TAG != "media"


PASSING = ("500", "503", "420", "429", "504", "html", "drop-before", "drop-after", "hang")
FOR_THE_OPERATOR = ("401", "403", "404")
WRONG = ("short", "no-secure-url")


class TestFailedUpload:
    @pytest.mark.parametrize("fault", [*PASSING, *WRONG])
    def test_passing_fault_is_retryable(
        self, service, videos, cloudinary_videos, film, monkeypatch, fault
    ):
        monkeypatch.setattr(cloudinary_videos, "TIMEOUT", urllib3.Timeout(connect=1, read=1))
        service.fail("upload", fault)
        assert refusal_of(lambda: upload(videos, film())).retryable
        assert upload(videos, film()).bytes == 50_000
        assert service.content_of(NAME) == film().read_bytes()
        assert len(service.public_ids) == 1

    @pytest.mark.parametrize("fault", ["500", "drop-after", "hang"])
    def test_fault_in_a_later_chunk_restarts_the_upload(
        self, service, videos, cloudinary_videos, film, monkeypatch, fault
    ):
        monkeypatch.setattr(cloudinary_videos, "TIMEOUT", urllib3.Timeout(connect=1, read=2))
        size = 13_000_000
        service.fail("upload", fault, match=lambda chunk: chunk["start"] > 0)
        assert refusal_of(lambda: upload(videos, film(size))).retryable
        assert upload(videos, film(size)).bytes == size
        assert service.content_of(NAME) == film(size).read_bytes()

    def test_refused_video_is_not_retryable(self, service, videos, film):
        service.fail("upload", "400")
        assert not refusal_of(lambda: upload(videos, film())).retryable
        assert service.content_of(NAME) is None

    def test_wrong_clock_of_this_machine_needs_the_operator(self, videos, film, monkeypatch):
        monkeypatch.setattr("cloudinary.utils.now", lambda: str(int(time.time()) - 3_700))
        refusal = refusal_of(lambda: upload(videos, film()))
        assert (refusal.retryable, refusal.needs_operator) == (True, True)
        assert str(refusal) == "Cloudinary: this machine's clock is wrong"

    @pytest.mark.parametrize("fault", FOR_THE_OPERATOR)
    def test_refused_account_needs_the_operator(self, service, videos, film, fault):
        service.fail("upload", fault)
        refusal = refusal_of(lambda: upload(videos, film()))
        assert (refusal.retryable, refusal.needs_operator) == (True, True)
        assert service.content_of(NAME) is None

    @pytest.mark.parametrize("value", ["wrong", ""])
    @pytest.mark.parametrize("what", ["CLOUD_NAME", "API_KEY", "API_SECRET"])
    def test_wrong_or_missing_account_needs_the_operator(self, videos, film, settings, what, value):
        settings.CLOUDINARY_STORAGE = settings.CLOUDINARY_STORAGE | {what: value}
        refusal = refusal_of(lambda: upload(videos, film()))
        assert (refusal.retryable, refusal.needs_operator) == (True, True)

    def test_refused_connection_is_retryable(self, service, videos, film):
        service.stop()
        assert refusal_of(lambda: upload(videos, film())).retryable

    def test_empty_file_is_refused(self, service, videos, film):
        path = film()
        path.write_bytes(b"")
        refusal_of(lambda: upload(videos, path))
        assert service.content_of(NAME) is None
