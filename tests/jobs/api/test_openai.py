"""/v1/videos, used by openai-python in this process."""

from datetime import timedelta
from typing import Any

import openai
import pytest
from django.conf import settings as configured
from django.db import OperationalError
from django.utils import timezone

from jobs import job_creation, model_availability
from jobs.api.openai_serializers import SIZES
from jobs.models import Stage, Status, VideoJob, VideoRemoval
from tests import openai_sdk
from tests.api import COST, ID, JOBS, TOKENS, limited
from tests.job_states import BLOCKED, kept
from tests.openai_sdk import MOCK, VEO
from tests.uploads import picture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

VIDEOS = "/v1/videos"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ"
    "/pLvAAAAAElFTkSuQmCC"
)


@pytest.fixture
def key(client):
    return client.post("/api/v1/keys", {"name": "SDK"}, format="json").json()["key"]


@pytest.fixture
def videos(key, settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    return openai_sdk.in_process(key).videos


@pytest.fixture
def order(videos):
    """Orders a mock video; `ours` are the fields that OpenAI's format does not have."""

    def order(ours: Any = MOCK, **fields: Any) -> Any:
        return videos.create(**{"prompt": "A kite", "model": VEO, "extra_body": ours} | fields)

    return order


def refusal(call: Any, kind: type[openai.APIStatusError]) -> Any:
    with pytest.raises(kind) as refused:
        call()
    body: Any = refused.value.response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return refused.value


def reference(value: Any) -> dict[str, Any]:
    """openai-python takes only a file as its own argument."""
    return {"ours": MOCK | {"input_reference": value}}


class TestCreate:
    def test_size_and_seconds_are_those_of_the_job(self, order, many):
        for size in SIZES:
            video = order(size=size, seconds="8")
            job = VideoJob.objects.get(pk=video.id)
            assert (job.resolution, job.aspect_ratio, job.duration_seconds) == (*SIZES[size], 8)
            assert (video.size, video.seconds, video.model) == (size, "8", VEO)

    def test_without_size_and_seconds_it_has_the_formats_defaults(self, order, client, alice):
        video = order()
        assert (video.size, video.seconds) == ("720x1280", "4")
        assert (video.object, video.status, video.progress) == ("video", "queued", 0)
        assert client.get("/api/v1/tokens").json()["availableTokens"] == TOKENS - COST

    def test_our_own_fields_are_sent_as_extra_body(self, order, client):
        ours = {"generateAudio": True, "seed": 7, "negativePrompt": "rain", "private": True}
        more = {"resolution": "1080p", "aspectRatio": "16:9", "clientReference": "mine"}
        video = order(MOCK | ours | more, seconds="8")
        job = client.get(f"{JOBS}/{video.id}").json()
        assert {name: job[name] for name in ours | more} == ours | more
        assert video.size == "1920x1080"

    def test_reference_is_the_first_frame(self, order):
        by_file = order(input_reference=("first.png", picture("PNG").read()))
        by_object = order(MOCK | {"input_reference": {"image_url": PIXEL}})
        for video in (by_file, by_object):
            assert VideoJob.objects.get(pk=video.id).has_initial_image

    def test_reference_in_json_is_a_data_uri(self, program):
        client = program()
        for reference in (PIXEL, {"image_url": PIXEL}):
            order = MOCK | {"prompt": "A kite", "model": VEO, "input_reference": reference}
            answer = client.post(VIDEOS, order, format="json")
            assert answer.status_code == 200
            assert VideoJob.objects.get(pk=answer.json()["id"]).has_initial_image

    def test_idempotency_key_makes_a_retry_safe(self, order, alice):
        headers = {"Idempotency-Key": "one"}
        first, second = (order(extra_headers=headers) for _ in range(2))
        assert first.id == second.id
        assert VideoJob.objects.count() == 1
        changed = refusal(
            lambda: order(prompt="Other", extra_headers=headers), openai.UnprocessableEntityError
        )
        assert changed.code == "idempotency_mismatch"


@pytest.mark.usefixtures("nothing_happens")
class TestRefusedOrder:
    def test_400_names_the_field_and_what_is_possible(self, order):
        wrong: list[tuple[dict[str, Any], str, str]] = [
            ({"size": "1024x1792"}, "size", "'720x1280', '1280x720', '1080x1920' or '1920x1080'"),
            ({"seconds": "12"}, "seconds", "4, 6 or 8 seconds"),
            ({"seconds": "5.5"}, "seconds", "4, 6 or 8 seconds"),
            ({"size": "1920x1080"}, "seconds", "1080p videos must be 8 seconds long"),
            ({"model": "sora-2"}, "model", f"Model must be '{VEO}'"),
            ({"model": openai.omit}, "model", "Model is required"),
            ({"prompt": ""}, "prompt", "Either a prompt or an initial image is required"),
            (reference({"file_id": "f"}), "input_reference[file_id]", "Unknown field"),
            (reference({"image_url": "http://x.test/a.png"}), "input_reference", "data URI"),
            ({"ours": MOCK | {"durationSeconds": 8}}, "durationSeconds", "Unknown field"),
            ({"ours": MOCK | {"quality": "hd"}}, "quality", "Unknown field 'quality'"),
            ({"ours": MOCK | {"resolution": "1080p"}, "size": "1280x720"}, "size", "combined"),
            ({"ours": {}}, "mockMode", "Mock mode is required"),
        ]
        for fields, param, message in wrong:
            refused = refusal(lambda fields=fields: order(**fields), openai.BadRequestError)
            assert message in refused.message
            assert refused.param == param
            assert (refused.type, refused.code) == ("invalid_request_error", "invalid")

    def test_429_of_the_throttle(self, order, settings):
        limited(settings, "1/min")
        refusal(lambda: order({}), openai.BadRequestError)
        refused = refusal(order, openai.RateLimitError)
        assert (refused.type, refused.code) == ("rate_limit_error", "throttled")
        assert int(refused.response.headers["Retry-After"]) > 0

    def test_503_of_a_model(self, order, settings):
        settings.GOOGLE_API_KEY = "test-google-key"
        google = "veo-3.1-fast-generate-001"
        model_availability.close(google_id=google, cause="404", now=timezone.now())
        refused = refusal(lambda: order({"mockMode": False}), openai.InternalServerError)
        assert (refused.status_code, refused.code) == (503, "model_unavailable")
        assert "x-should-retry" not in refused.response.headers

    @pytest.mark.parametrize(
        ("failure", "status", "code"),
        [(OperationalError("gone"), 503, "unavailable"), (RuntimeError("x"), 500, "internal")],
    )
    def test_order_with_an_unknown_outcome_is_not_repeated(
        self, order, monkeypatch, failure, status, code
    ):
        def fail(**options: Any) -> None:
            raise failure

        monkeypatch.setattr(job_creation, "create", fail)
        refused = refusal(order, openai.InternalServerError)
        assert (refused.status_code, refused.code, refused.type) == (status, code, "server_error")
        assert refused.response.headers["x-should-retry"] == "false"
        named = {"Idempotency-Key": "one"}
        refused = refusal(lambda: order(extra_headers=named), openai.InternalServerError)
        assert "x-should-retry" not in refused.response.headers


class TestRefusals:
    def test_402(self, order, alice, tokens):
        tokens(alice, COST - 1)
        refused = refusal(order, openai.APIStatusError)
        assert (refused.status_code, refused.code) == (402, "insufficient_tokens")
        assert "costs 50 tokens but you have 49" in refused.message

    def test_429_of_active_jobs(self, order):
        for _ in range(configured.VIDEO_MAX_ACTIVE_JOBS):
            order()
        refused = refusal(order, openai.RateLimitError)
        assert refused.code == "too_many_active_jobs"
        assert "Maximum 3 concurrent video jobs" in refused.message

    def test_401(self, videos, key):
        stranger = openai_sdk.in_process(key[:-2] + "xx").videos
        refused = refusal(stranger.list, openai.AuthenticationError)
        assert (refused.type, refused.code) == ("authentication_error", "token_not_valid")
        assert refused.response.headers["WWW-Authenticate"].startswith("Bearer")

    def test_403_of_a_key_that_may_only_read(self, videos, client):
        key = client.post("/api/v1/keys", {"name": "R", "scope": "read"}, format="json").json()
        reader = openai_sdk.in_process(key["key"]).videos
        assert list(reader.list()) == []
        refused = refusal(lambda: reader.delete(ID), openai.PermissionDeniedError)
        assert refused.code == "read_only_key"

    def test_404_of_somebody_elses_video(self, videos, new_job, bob):
        id = str(new_job(Status.SUCCEEDED, user=bob).pk)
        for call in (videos.retrieve, videos.download_content, videos.delete):
            assert refusal(lambda call=call: call(id), openai.NotFoundError).code == "not_found"
        assert VideoJob.objects.filter(pk=id).exists()

    def test_404_of_what_the_service_does_not_have(self, videos, new_job):
        id = str(new_job(Status.SUCCEEDED).pk)
        film = ("a.mp4", b"x")
        for call in (
            lambda: videos.remix(id, prompt="x"),
            lambda: videos.edit(prompt="x", video=film),
            lambda: videos.extend(prompt="x", seconds="4", video=film),
            lambda: videos.create_character(name="x", video=film),
            lambda: videos.retrieve("nonsense"),
        ):
            assert "There is no such path" in refusal(call, openai.NotFoundError).message

    def test_every_error_has_the_form(self, program):
        client = program()
        for method, path, body, kind, status, code in (
            ("put", VIDEOS, "", "", 405, "method_not_allowed"),
            ("post", VIDEOS, "x", "text/plain", 415, "unsupported_media_type"),
            ("post", VIDEOS, "{", "application/json", 400, "malformed"),
            ("get", f"{VIDEOS}?page=2", "", "", 400, "invalid"),
            ("get", f"{VIDEOS}/{ID}/content?variant=spritesheet", "", "", 400, "invalid"),
            ("post", "/v1", "", "", 404, "not_found"),
            ("get", "/v1/models", "", "", 404, "not_found"),
        ):
            answer = client.generic(method.upper(), path, body, kind)
            assert answer.status_code == status, path
            assert answer["Content-Type"] == "application/json"
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
            assert answer.json()["error"]["code"] == code


class TestVideo:
    @pytest.mark.parametrize(
        ("state", "status", "code"),
        [
            (Status.PENDING, "queued", None),
            *((stage, "in_progress", None) for stage in Stage),
            (Status.SUCCEEDED, "completed", None),
            (Status.FAILED, "failed", BLOCKED.code),
            (Status.CANCELLED, "failed", "cancelled"),
        ],
    )
    def test_status_and_error(self, videos, new_job, client, state, status, code):
        job = new_job(state)
        answer = videos.with_raw_response.retrieve(str(job.pk))
        video, ours = answer.parse(), client.job(job)
        assert video.status == status
        assert (video.error and video.error.code) == code
        assert state != Status.FAILED or video.error.message == BLOCKED.message
        assert (video.progress, video.prompt) == (ours["progressPercentage"], ours["prompt"])
        assert video.created_at == int(job.created_at.timestamp())
        ended = job.completed_at and int(job.completed_at.timestamp())
        assert (video.completed_at, video.expires_at) == (ended, None)
        is_active = status in ("queued", "in_progress")
        assert answer.headers.get("openai-poll-after-ms") == ("3000" if is_active else None)

    def test_expires_by_the_settings_or_by_its_removal(self, videos, new_job, client, settings):
        settings.VIDEO_KEEP_DAYS = 7
        job = new_job(Status.SUCCEEDED)
        assert job.completed_at is not None
        week = int((job.completed_at + timedelta(days=7)).timestamp())
        assert videos.retrieve(str(job.pk)).expires_at == week
        client.delete(f"{JOBS}/{job.pk}/video")
        assert videos.retrieve(str(job.pk)).expires_at < week
        gone = refusal(lambda: videos.download_content(str(job.pk)), openai.APIStatusError)
        assert (gone.status_code, gone.code) == (410, "video_removed")


class TestContent:
    def test_is_the_video_or_its_poster(self, videos, new_job, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        job = new_job(Status.SUCCEEDED)
        for url, content in ((job.video_url, b"film"), (job.poster_url, b"still")):
            file = tmp_path / url.removeprefix("/media/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        assert videos.download_content(str(job.pk)).read() == b"film"
        assert videos.download_content(str(job.pk), variant="thumbnail").read() == b"still"

    @pytest.mark.parametrize("state", [Status.PENDING, Stage.STORING])
    def test_409_until_it_is_completed(self, videos, new_job, state):
        id = str(new_job(state).pk)
        for variant in ("video", "thumbnail"):
            refused = refusal(
                lambda variant=variant: videos.download_content(id, variant=variant),
                openai.ConflictError,
            )
            assert (refused.status_code, refused.code) == (409, "not_ready")
            assert refused.type == "invalid_request_error"
            assert refused.response.headers["Retry-After"] == "3"

    @pytest.mark.parametrize("state", [Status.FAILED, Status.CANCELLED])
    def test_400_of_a_video_that_will_never_be(self, videos, new_job, state):
        id = str(new_job(state).pk)
        refused = refusal(lambda: videos.download_content(id), openai.BadRequestError)
        assert refused.code == "not_ready"
        assert f"the job ended as {state}" in refused.message

    def test_without_poster_is_404(self, videos, new_job):
        job = new_job(Status.SUCCEEDED)
        VideoJob.objects.filter(pk=job.pk).update(poster_url="")
        thumbnail = lambda: videos.download_content(str(job.pk), variant="thumbnail")  # noqa: E731
        assert "thumbnail" in refusal(thumbnail, openai.NotFoundError).message


class TestList:
    @pytest.fixture
    def ids(self, new_job, bob):
        """130 jobs of Alice's, three at a time of the same moment, oldest first; one of Bob's."""
        pattern = new_job(Status.SUCCEEDED)
        new_job(Status.SUCCEEDED, user=bob)
        copies = []
        for number in range(130):
            copy = VideoJob.objects.get(pk=pattern.pk)
            copy.pk, copy.created_at = None, pattern.created_at - timedelta(minutes=number // 3)
            copy.id = VideoJob._meta.pk.get_default()
            copies.append(copy)
        VideoJob.objects.bulk_create(copies)
        VideoJob.objects.filter(pk=pattern.pk).delete()
        return [str(job.pk) for job in sorted(copies, key=lambda job: (job.created_at, job.pk))]

    def test_sdk_pages_through_all_in_both_orders_with_few_queries(
        self, videos, ids, django_assert_max_num_queries
    ):
        assert [video.id for video in videos.list(order="asc", limit=100)] == ids
        assert [video.id for video in videos.list()] == ids[::-1]
        with django_assert_max_num_queries(5):
            page = videos.list(after=ids[9], order="asc", limit=3)
        assert [video.id for video in page.data] == ids[10:13]
        assert (page.last_id, page.has_more) == (ids[12], True)

    def test_wrong_query_is_refused(self, videos):
        for name, value in (("after", ID), ("after", "x"), ("limit", 101), ("order", "x")):
            query = {name: value}
            refused = refusal(lambda query=query: videos.list(**query), openai.BadRequestError)
            assert refused.param == name

    def test_after_a_video_of_somebody_else_or_a_deleted_one_is_refused(self, videos, new_job, bob):
        others, deleted = new_job(Status.SUCCEEDED, user=bob), new_job(Status.SUCCEEDED)
        new_job(Status.SUCCEEDED)
        videos.delete(str(deleted.pk))
        for job in (others, deleted):
            refused = refusal(
                lambda job=job: videos.list(after=str(job.pk)), openai.BadRequestError
            )
            assert (refused.param, refused.code) == ("after", "invalid")
            assert "After must be the id of one of your videos" in refused.message

    def test_empty_list_has_no_ids(self, program):
        page = program().get(VIDEOS).json()
        empty = {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
        assert page == empty


class TestBothFaces:
    def test_job_of_openai_is_cancelled_and_listed_by_our_own_calls(self, order, videos, client):
        video = order()
        client.post(f"{JOBS}/{video.id}/cancel")
        assert videos.retrieve(video.id).error.code == "cancelled"
        assert client.get(JOBS).json()["jobs"][0]["id"] == video.id

    def test_job_of_ours_is_deleted_by_openai_with_its_video(self, videos, new_job):
        job = new_job(Status.SUCCEEDED)
        assert [video.id for video in videos.list()] == [str(job.pk)]
        deleted = videos.delete(str(job.pk))
        assert (deleted.id, deleted.object, deleted.deleted) == (str(job.pk), "video.deleted", True)
        assert kept(job) is None
        assert VideoRemoval.objects.filter(job_id=job.pk).exists()

    def test_deleted_active_job_is_refunded(self, videos, order, alice, tokens):
        videos.delete(order().id)
        assert tokens(alice) == TOKENS
