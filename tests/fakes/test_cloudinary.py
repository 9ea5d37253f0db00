"""The fake Cloudinary behaves towards the real SDK as Cloudinary does.

What the service does with each fault is tested in tests/jobs/storage/test_cloudinary.py.
"""

import hashlib
import io
import random
import time
from collections.abc import Iterator

import cloudinary.uploader
import cloudinary.utils
import pytest
import requests
from cloudinary.exceptions import (
    AuthorizationRequired,
    BadRequest,
    Error,
    GeneralError,
    NotAllowed,
    RateLimited,
)
from PIL import Image

from tests.fakes.cloudinary import CloudinaryImitation

pytestmark = pytest.mark.once

ID = "ai_studio/videos/job-1"
CHUNK = 6_000_000


@pytest.fixture
def service() -> Iterator[CloudinaryImitation]:
    with CloudinaryImitation() as service:
        yield service
        assert service.errors == []


def video(size: int = 5_000, seed: int = 0) -> bytes:
    return b"\0\0\0\x18ftypisom" + random.Random(seed).randbytes(size - 12)


def access(service: CloudinaryImitation) -> dict:
    return {
        "cloud_name": service.cloud_name,
        "api_key": service.api_key,
        "api_secret": service.api_secret,
        "upload_prefix": service.url,
        "resource_type": "video",
        "timeout": 10,
    }


def upload(service: CloudinaryImitation, data: bytes, **options) -> dict:
    options = access(service) | {"public_id": ID, "filename": "video.mp4"} | options
    return cloudinary.uploader.upload(io.BytesIO(data), **options)


def upload_large(service: CloudinaryImitation, data: bytes, **options) -> dict:
    options = access(service) | {"public_id": ID, "chunk_size": CHUNK} | options
    return cloudinary.uploader.upload_large(io.BytesIO(data), filename="video.mp4", **options)


def upload_part(service: CloudinaryImitation, data: bytes, content_range: str) -> dict:
    headers = {"Content-Range": content_range, "X-Unique-Upload-Id": "u"}
    return cloudinary.uploader.upload_large_part(
        ("video.mp4", data), http_headers=headers, **access(service)
    )


class TestUpload:
    def test_answer_describes_the_video_and_is_signed(self, service):
        data = video()
        answer = upload(service, data)
        assert (answer["public_id"], answer["bytes"]) == (ID, len(data))
        assert answer["etag"] == hashlib.md5(data).hexdigest()
        assert (answer["format"], answer["resource_type"]) == ("mp4", "video")
        assert answer["secure_url"] == (
            f"{service.url}/test-cloud/video/upload/v{answer['version']}/{ID}.mp4"
        )
        cloudinary.config(api_secret=service.api_secret)
        asked = (ID, answer["version"], answer["signature"])
        try:
            assert cloudinary.utils.verify_api_response_signature(*asked)
        finally:
            cloudinary.reset_config()

    def test_second_upload_of_an_id_replaces_the_first(self, service):
        first = upload(service, video(seed=1))
        second = upload(service, video(seed=2))
        assert first["asset_id"] == second["asset_id"]
        assert second["version"] > first["version"]
        assert second["overwritten"] is True
        assert "overwritten" not in first
        assert service.content_of(ID) == video(seed=2)

    def test_raw_upload_succeeds_but_is_no_video(self, service):
        answer = upload(service, video(), resource_type="raw")
        assert (answer["resource_type"], "duration" in answer) == ("raw", False)
        assert service.content_of(ID) is None


class TestChunkedUpload:
    def test_chunks_are_joined(self, service):
        data = video(13_000_000)
        answer = upload_large(service, data)
        record = service.records[ID]
        assert (answer["bytes"], answer["public_id"]) == (13_000_000, ID)
        assert (record.requests, record.chunks, record.completed) == (3, 3, 1)
        assert service.content_of(ID) == data
        assert service.open_uploads == {}

    def test_chunk_below_5_mb_is_refused(self, service):
        with pytest.raises(BadRequest, match="at least"):
            upload_large(service, video(10_000_000), chunk_size=4_000_000)

    def test_chunk_out_of_order_is_refused(self, service):
        with pytest.raises(BadRequest, match="starts at 6000000, expected 0"):
            upload_part(service, video(CHUNK), "bytes 6000000-11999999/20000000")

    def test_chunk_of_another_length_than_stated_is_refused(self, service):
        with pytest.raises(BadRequest, match="Invalid Content-Range"):
            upload_part(service, video(CHUNK - 1), "bytes 0-5999999/20000000")

    def test_failed_chunk_leaves_an_open_upload_and_the_next_upload_succeeds(self, service):
        service.fail("upload", "503", match=lambda chunk: chunk["start"] == CHUNK)
        with pytest.raises(GeneralError):
            upload_large(service, video(13_000_000))
        assert list(service.open_uploads.values()) == [CHUNK]
        assert service.records[ID].completed == 0
        assert upload_large(service, video(13_000_000))["bytes"] == 13_000_000


class TestRefusal:
    @pytest.mark.parametrize(
        ("access", "message"),
        [
            ({"api_secret": "wrong"}, r"Invalid Signature \w{40}. String to sign"),
            ({"api_key": "12345"}, "Unknown API key 12345"),
            ({"cloud_name": "elsewhere"}, "Invalid cloud_name elsewhere"),
        ],
    )
    def test_wrong_account_is_refused(self, service, access, message):
        with pytest.raises(AuthorizationRequired, match=message):
            upload(service, video(), **access)
        assert service.records == {}

    def test_only_version_2_of_the_signature_escapes_an_ampersand(self, service):
        assert upload(service, video(), context={"caption": "a&b=c"})["bytes"]
        cloudinary.config(signature_version=1)
        try:
            with pytest.raises(AuthorizationRequired):
                upload(service, video(), context={"caption": "a&b=c"})
        finally:
            cloudinary.reset_config()

    def test_request_of_more_than_an_hour_ago_is_refused(self, service):
        sent = {"timestamp": int(time.time()) - 3_700}
        with pytest.raises(BadRequest, match="Stale request"):
            cloudinary.uploader.call_api("upload", sent, **access(service))

    @pytest.mark.parametrize(
        ("data", "resource_type", "message"),
        [
            (b"<html>a page, not a video</html>", "video", "Unsupported video format or file"),
            (video(), "image", "Unsupported video format or file"),
            (b"", "video", "Empty file"),
        ],
    )
    def test_unusable_file_is_refused(self, service, data, resource_type, message):
        with pytest.raises(BadRequest, match=message):
            upload(service, data, resource_type=resource_type)


class TestDelivery:
    def test_video_and_poster_are_served_at_the_urls_that_the_sdk_builds(self, service):
        url = upload(service, video())["secure_url"]
        host = {"secure": False, "cname": service.url.removeprefix("http://")}
        options = {"cloud_name": service.cloud_name, "resource_type": "video"} | host
        plain, _ = cloudinary.utils.cloudinary_url(ID, format="mp4", **options)
        poster, _ = cloudinary.utils.cloudinary_url(ID, format="jpg", start_offset="0", **options)
        for address in (url, plain):
            answer = requests.get(address, timeout=10)
            assert answer.content == video()
            assert answer.headers["Content-Type"] == "video/mp4"
        image = Image.open(io.BytesIO(requests.get(poster, timeout=10).content))
        image.load()
        assert image.format == "JPEG"

    @pytest.mark.parametrize("path", ["v1/none.mp4", f"oops/{ID}.mp4", f"v1/{ID}.avi"])
    def test_unknown_path_is_404(self, service, path):
        upload(service, video())
        answer = requests.get(f"{service.url}/test-cloud/video/upload/{path}", timeout=10)
        assert answer.status_code == 404
        assert answer.headers["X-Cld-Error"].startswith("Resource not found")


class TestFault:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ("500", GeneralError),
            ("503", GeneralError),
            ("429", RateLimited),
            ("420", RateLimited),
            ("401", AuthorizationRequired),
            ("403", NotAllowed),
            ("400", BadRequest),
        ],
    )
    def test_status_is_answered_as_often_as_set(self, service, fault, error):
        service.fail("upload", fault, times=2)
        for _ in range(2):
            with pytest.raises(error):
                upload(service, video())
        assert upload(service, video())["bytes"] == 5_000
        assert service.records[ID].requests == 3

    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            ("html", r"Error parsing server response \(504\)"),
            ("drop-before", "Connection aborted"),
            ("hang", "Read timed out"),
        ],
    )
    def test_video_is_not_stored(self, service, fault, message):
        service.fail("upload", fault)
        with pytest.raises(Error, match=message):
            upload(service, video(), timeout=1)
        assert (service.records[ID].completed, service.content_of(ID)) == (0, None)

    def test_sdk_takes_the_json_of_a_gateway_for_a_result(self, service):
        service.fail("upload", "504", match=lambda chunk: chunk["final"])
        answer = upload_large(service, video(7_000_000))
        assert answer == {"message": "Endpoint request timed out"}
        assert (service.records[ID].completed, list(service.open_uploads.values())) == (0, [CHUNK])

    def test_drop_after_stores_the_video_and_a_retry_replaces_it(self, service):
        service.fail("upload", "drop-after")
        with pytest.raises(Error):
            upload_large(service, video(7_000_000))
        assert service.content_of(ID) == video(7_000_000)
        assert upload_large(service, video(7_000_000))["overwritten"] is True
        assert service.records[ID].completed == 2
        assert service.public_ids == [ID]

    def test_answer_is_wrong_or_incomplete(self, service):
        service.fail("upload", "short")
        assert upload(service, video())["bytes"] == 4_999
        service.fail("upload", "no-secure-url")
        assert "secure_url" not in upload(service, video())


def test_assets_survive_a_restart():
    service = CloudinaryImitation().start()
    upload(service, video())
    service.stop()
    with service:
        assert upload(service, video(seed=2))["overwritten"] is True
