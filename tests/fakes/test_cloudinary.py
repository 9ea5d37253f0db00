"""The cloudinary SDK against the fake Cloudinary."""

import hashlib
import io
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message

import cloudinary.uploader
import cloudinary.utils
import pytest
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


def upload(service: CloudinaryImitation, data: bytes, public_id: str = ID, **options) -> dict:
    options = access(service) | {"public_id": public_id, "filename": "video.mp4"} | options
    return cloudinary.uploader.upload(io.BytesIO(data), **options)


def upload_large(
    service: CloudinaryImitation, data: bytes, public_id: str | None = ID, **options
) -> dict:
    options = access(service) | {"public_id": public_id, "chunk_size": CHUNK} | options
    return cloudinary.uploader.upload_large(io.BytesIO(data), filename="video.mp4", **options)


def call(service: CloudinaryImitation, **params) -> dict:
    return cloudinary.uploader.call_api("upload", params, **access(service))


@dataclass
class Fetched:
    status: int
    headers: Message
    body: bytes


def fetch(url: str, method: str = "GET", data: bytes | None = None, **headers: str) -> Fetched:
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return Fetched(answer.status, answer.headers, answer.read())


def post_json(url: str, data: dict) -> None:
    assert fetch(url, "POST", json.dumps(data).encode()).status == 201


class TestUpload:
    def test_answers_with_the_fields_of_a_video(self, service):
        data = video()
        answer = upload(service, data, tags=["studio", "veo"], overwrite=True, invalidate=True)
        assert answer["public_id"] == ID
        assert answer["bytes"] == len(data)
        assert answer["etag"] == hashlib.md5(data).hexdigest()
        assert answer["tags"] == ["studio", "veo"]
        assert answer["format"] == "mp4"
        assert answer["resource_type"] == "video"
        assert (answer["width"], answer["height"], answer["duration"]) == (1280, 720, 8.0)
        assert answer["original_filename"] == "video"
        assert answer["api_key"] == service.api_key
        assert answer["request_id"]
        assert answer["secure_url"] == (
            f"{service.url}/test-cloud/video/upload/v{answer['version']}/{ID}.mp4"
        )
        assert {"asset_id", "version_id", "created_at", "url", "playback_url"} <= answer.keys()

    def test_signs_its_answer(self, service):
        answer = upload(service, video())
        cloudinary.config(api_secret=service.api_secret)
        asked = (ID, answer["version"], answer["signature"])
        try:
            assert cloudinary.utils.verify_api_response_signature(*asked)
        finally:
            cloudinary.reset_config()

    def test_makes_up_an_id_where_none_is_given(self, service):
        options = access(service)
        first, second = (
            cloudinary.uploader.upload(io.BytesIO(video()), **options)["public_id"]
            for _ in range(2)
        )
        assert first != second

    def test_overwrites_the_same_id(self, service):
        first = upload(service, video(seed=1))
        second = upload(service, video(seed=2))
        record = service.records[ID]
        assert first["asset_id"] == second["asset_id"] == record.asset_id
        assert second["version"] > first["version"]
        assert second["overwritten"] is True
        assert "overwritten" not in first
        assert (record.completed, record.versions) == (2, [first["version"], second["version"]])
        assert service.content_of(ID) == video(seed=2)

    def test_leaves_the_old_one_where_told_to(self, service):
        first = upload(service, video(seed=1))
        second = upload(service, video(seed=2), overwrite=False)
        assert (second["existing"], second["version"]) == (True, first["version"])
        assert service.content_of(ID) == video(seed=1)

    def test_stores_raw_without_a_word(self, service):
        answer = upload(service, video(), resource_type="raw")
        assert (answer["resource_type"], "duration" in answer) == ("raw", False)
        assert "/raw/upload/" in answer["secure_url"]


class TestChunks:
    def test_join_to_the_same_bytes(self, service):
        data = video(20_000_000)
        answer = upload_large(service, data, tags=["studio"])
        record = service.records[ID]
        assert (answer["bytes"], answer["public_id"]) == (20_000_000, ID)
        assert answer["etag"] == hashlib.md5(data).hexdigest()
        assert (record.requests, record.chunks, record.completed) == (4, 4, 1)
        assert (record.size, record.sha256) == (20_000_000, hashlib.sha256(data).hexdigest())
        assert service.content_of(ID) == data
        assert service.open_uploads == {}

    def test_keep_the_made_up_id(self, service):
        answer = upload_large(service, video(7_000_000), public_id=None)
        assert list(service.records) == [answer["public_id"]]

    def test_must_have_5_mb(self, service):
        with pytest.raises(BadRequest, match="at least"):
            upload_large(service, video(10_000_000), chunk_size=4_000_000)

    def test_must_follow_each_other(self, service):
        headers = {"Content-Range": "bytes 6000000-11999999/20000000", "X-Unique-Upload-Id": "u"}
        with pytest.raises(BadRequest, match="starts at 6000000, expected 0"):
            cloudinary.uploader.upload_large_part(
                ("video.mp4", video(CHUNK)), http_headers=headers, **access(service)
            )
        assert service.open_uploads == {}

    def test_must_be_as_long_as_they_say(self, service):
        headers = {"Content-Range": "bytes 0-5999999/20000000", "X-Unique-Upload-Id": "u"}
        with pytest.raises(BadRequest, match="Invalid Content-Range"):
            cloudinary.uploader.upload_large_part(
                ("video.mp4", video(CHUNK - 1)), http_headers=headers, **access(service)
            )

    def test_leave_an_open_upload_where_one_fails(self, service):
        service.fail("upload", "503", match=lambda one: one["start"] == 2 * CHUNK)
        with pytest.raises(GeneralError):
            upload_large(service, video(20_000_000))
        assert list(service.open_uploads.values()) == [2 * CHUNK]
        assert service.records[ID].completed == 0
        assert upload_large(service, video(20_000_000))["bytes"] == 20_000_000


class TestRefusals:
    def test_refuses_a_wrong_secret(self, service):
        with pytest.raises(AuthorizationRequired, match=r"Invalid Signature \w{40}. String to sig"):
            upload(service, video(), api_secret="wrong")
        assert service.records == {}

    def test_refuses_an_unknown_key(self, service):
        with pytest.raises(AuthorizationRequired, match="Unknown API key 12345"):
            upload(service, video(), api_key="12345")

    def test_refuses_an_unknown_cloud(self, service):
        with pytest.raises(AuthorizationRequired, match="Invalid cloud_name elsewhere"):
            upload(service, video(), cloud_name="elsewhere")

    def test_refuses_a_stale_request(self, service):
        with pytest.raises(BadRequest, match="Stale request"):
            call(service, timestamp=int(time.time()) - 3_700)

    def test_signs_an_ampersand_by_version_2_only(self, service):
        assert upload(service, video(), context={"caption": "a&b=c"})["bytes"]
        cloudinary.config(signature_version=1)
        try:
            with pytest.raises(AuthorizationRequired):
                upload(service, video(), context={"caption": "a&b=c"})
        finally:
            cloudinary.reset_config()

    def test_reads_sha256_too(self, service):
        assert upload(service, video(), signature_algorithm="sha256")["bytes"]

    def test_refuses_what_is_no_video(self, service):
        with pytest.raises(BadRequest, match="Unsupported video format or file"):
            upload(service, b"<html>a page, not a video</html>")

    def test_refuses_a_video_among_images(self, service):
        with pytest.raises(BadRequest, match="Unsupported video format or file"):
            upload(service, video(), resource_type="image")

    def test_refuses_an_empty_file(self, service):
        with pytest.raises(BadRequest, match="Empty file"):
            upload(service, b"")

    def test_refuses_an_upload_without_a_file(self, service):
        with pytest.raises(BadRequest, match="Missing required parameter - file"):
            call(service, timestamp=int(time.time()))


class TestDelivery:
    def test_serves_the_bytes(self, service):
        data = video(700_000)
        answer = fetch(upload(service, data)["secure_url"])
        assert answer.body == data
        assert answer.headers["Content-Type"] == "video/mp4"
        assert answer.headers["Accept-Ranges"] == "bytes"

    def test_serves_the_urls_that_the_sdk_builds(self, service):
        upload(service, video())
        host = {"secure": False, "cname": service.url.removeprefix("http://")}
        options = {"cloud_name": service.cloud_name, "resource_type": "video"} | host
        plain, _ = cloudinary.utils.cloudinary_url(ID, format="mp4", **options)
        poster, _ = cloudinary.utils.cloudinary_url(ID, format="jpg", start_offset="0", **options)
        saved, _ = cloudinary.utils.cloudinary_url(ID, flags="attachment:mine", **options)
        assert fetch(plain).body == fetch(saved).body == video()
        assert 'filename="mine.mp4"' in fetch(saved).headers["Content-Disposition"]
        assert "/so_0/" in poster
        image = Image.open(io.BytesIO(fetch(poster).body))
        image.load()
        assert image.format == "JPEG"

    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("0-99", 0, 100),
            ("4900-", 4_900, 5_000),
            ("-50", 4_950, 5_000),
            ("4990-9999", 4_990, 5_000),
        ],
    )
    def test_serves_ranges(self, service, asked, start, end):
        answer = fetch(upload(service, video())["secure_url"], Range=f"bytes={asked}")
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/5000"
        assert answer.body == video()[start:end]

    def test_refuses_a_range_beyond_the_end(self, service):
        answer = fetch(upload(service, video())["secure_url"], Range="bytes=5000-")
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */5000")

    def test_answers_head(self, service):
        answer = fetch(upload(service, video())["secure_url"], "HEAD")
        assert (answer.headers["Content-Length"], answer.body) == ("5000", b"")

    @pytest.mark.parametrize("path", ["v1/none.mp4", f"oops/{ID}.mp4", f"v1/{ID}.avi"])
    def test_does_not_know_the_rest(self, service, path):
        upload(service, video())
        answer = fetch(f"{service.url}/test-cloud/video/upload/{path}")
        assert answer.status == 404
        assert answer.headers["X-Cld-Error"].startswith("Resource not found")

    def test_can_fail(self, service):
        url = upload(service, video())["secure_url"]
        service.fail("deliver", "503", match=lambda one: ID in one["public_id"])
        assert [fetch(url).status, fetch(url).status] == [503, 200]


class TestDestroy:
    def test_takes_the_asset_away(self, service):
        url = upload(service, video())["secure_url"]
        assert cloudinary.uploader.destroy(ID, **access(service))["result"] == "ok"
        assert cloudinary.uploader.destroy(ID, **access(service))["result"] == "not found"
        assert (service.records[ID].destroyed, service.content_of(ID)) == (1, None)
        assert fetch(url).status == 404

    def test_looks_among_images_where_not_told(self, service):
        upload(service, video())
        options = access(service)
        del options["resource_type"]
        assert cloudinary.uploader.destroy(ID, **options)["result"] == "not found"


class TestFaults:
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
    def test_answer_a_status_as_often_as_told(self, service, fault, error):
        service.fail("upload", fault, times=2)
        for _ in range(2):
            with pytest.raises(error):
                upload(service, video())
        assert upload(service, video())["bytes"] == 5_000
        assert service.records[ID].requests == 3

    def test_answer_a_page(self, service):
        service.fail("upload", "html")
        with pytest.raises(Error, match=r"Error parsing server response \(504\)"):
            upload(service, video())

    def test_answer_a_gateways_json_that_the_sdk_takes_for_a_result(self, service):
        service.fail("upload", "504", match=lambda one: one["final"])
        answer = upload_large(service, video(7_000_000))
        assert answer == {"message": "Endpoint request timed out"}
        assert (service.records[ID].completed, list(service.open_uploads.values())) == (0, [CHUNK])

    def test_drop_before_storing(self, service):
        service.fail("upload", "drop-before")
        with pytest.raises(Error, match="Connection aborted"):
            upload(service, video())
        assert (service.records[ID].completed, service.content_of(ID)) == (0, None)

    def test_drop_after_storing_and_a_retry_makes_no_second_asset(self, service):
        service.fail("upload", "drop-after")
        with pytest.raises(Error):
            upload_large(service, video(7_000_000))
        lost = service.records[ID].asset_id
        assert service.content_of(ID) == video(7_000_000)
        answer = upload_large(service, video(7_000_000))
        assert (answer["asset_id"], answer["overwritten"]) == (lost, True)
        assert service.records[ID].completed == 2
        assert len(service.snapshot({})["assets"]) == 1

    def test_are_slow(self, service):
        service.fail("upload", "slow:0.3")
        before = time.monotonic()
        assert upload(service, video())["bytes"] == 5_000
        assert time.monotonic() - before > 0.3

    def test_hang(self, service):
        service.fail("upload", "hang")
        with pytest.raises(Error, match="Read timed out"):
            upload(service, video(), timeout=0.2)
        assert service.content_of(ID) is None

    def test_tell_a_wrong_size(self, service):
        service.fail("upload", "short")
        assert upload(service, video())["bytes"] == 4_999

    def test_leave_the_url_out(self, service):
        service.fail("upload", "no-secure-url")
        assert "secure_url" not in upload(service, video())

    def test_come_over_http_too(self, service):
        rule = {"fault": "500", "times": 1, "public_id_contains": "job-2"}
        post_json(f"{service.url}/_faults", rule)
        assert upload(service, video(), "job-1")
        with pytest.raises(GeneralError):
            upload(service, video(), "job-2")
        assert upload(service, video(), "job-2")


class TestRecords:
    def test_are_readable_over_http(self, service):
        answer = upload_large(service, video(7_000_000))
        told = json.loads(fetch(f"{service.url}/_records").body)
        assert told["assets"] == [ID]
        assert (told["open_uploads"], told["errors"]) == ({}, [])
        assert told["uploads"][ID] == {
            "requests": 2,
            "chunks": 2,
            "completed": 1,
            "destroyed": 0,
            "asset_id": answer["asset_id"],
            "versions": [answer["version"]],
            "size": 7_000_000,
            "sha256": hashlib.sha256(video(7_000_000)).hexdigest(),
        }


class TestLoad:
    def test_takes_200_uploads_at_once(self, service):
        def one(number: int) -> bool:
            data = video(seed=number)
            url = upload(service, data, f"job-{number}", timeout=30)["secure_url"]
            return service.content_of(f"job-{number}") == fetch(url).body == data

        with ThreadPoolExecutor(200) as pool:
            assert all(pool.map(one, range(200)))

    def test_takes_simultaneous_chunked_uploads(self, service):
        def one(number: int) -> bool:
            data = video(13_000_000, seed=number)
            upload_large(service, data, f"job-{number}", timeout=30)
            return service.records[f"job-{number}"].sha256 == hashlib.sha256(data).hexdigest()

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(one, range(8)))


class TestStop:
    def test_cuts_hanging_requests_and_keeps_the_assets(self):
        service = CloudinaryImitation().start()
        upload(service, video())
        service.fail("upload", "hang", times=10)

        def hang(number: int) -> None:
            with pytest.raises(Error):
                upload(service, video(), f"hanging-{number}")

        with ThreadPoolExecutor(10) as pool:
            hanging = [pool.submit(hang, number) for number in range(10)]
            while len(service.records) < 11:
                time.sleep(0.01)
            before = time.monotonic()
            service.stop()
            assert time.monotonic() - before < 1
            for one in hanging:
                one.result(timeout=5)
        with service:
            assert upload(service, video(seed=2))["overwritten"] is True
