"""The Veo provider with the real google-genai, against the fake Vertex."""

import io
import re
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from google.genai import errors
from PIL import Image as Pillow

from jobs import input_images
from jobs.catalog import MODELS, VideoSpec
from jobs.providers import veo, video_stream
from jobs.providers.base import Finished, Inputs, ProviderError, Running
from tests.fakes import VertexImitation

pytestmark = [pytest.mark.once, pytest.mark.slow]

KEY, PROJECT = "test-google-key", "studio"
WORDS = ("Support codes", "quota", "overloaded", "API key", "use case", "<html>", KEY, PROJECT)


@pytest.fixture(scope="module")
def service():
    with VertexImitation(seconds=0) as service:
        yield service
        assert service.errors == []


@pytest.fixture(scope="module")
def provider(service):
    """One for all tests: a new client of Google's SDK reads the CA certificates."""
    return provider_at(service)


@pytest.fixture
def google(service):
    yield service
    service.forget()


def provider_at(google, **options):
    account = {"api_key": KEY, "project": PROJECT, "location": "us-central1"}
    return veo.Veo(**account | {"base_url": google.url} | options)


LABELS = {"job": "550e8400-e29b-41d4-a716-446655440000", "user": "7d3f0c7e"}


def order(prompt="A lighthouse at dusk", **fields):
    usual: dict[str, Any] = {
        "model": "veo-3.1-fast-generate-preview",
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "duration_seconds": 8,
        "generate_audio": False,
        "mock_mode": False,
    }
    return VideoSpec(prompt=prompt, **usual | fields)


def submit(provider, prompt="A lighthouse at dusk", inputs=None, **fields):
    return provider.submit(spec=order(prompt, **fields), inputs=inputs or Inputs(), labels=LABELS)


def marked(stage, fault):
    """A prompt that makes the imitation fail."""
    return "A lighthouse {{" + f"{stage}:{fault}" + "}}"


def picture(color="red"):
    file = io.BytesIO()
    Pillow.new("RGB", (64, 36), color).save(file, "PNG")
    return input_images.prepare(upload=file)


def refusal_of(call):
    """The ProviderError of `call`; its message, which clients see, holds nothing of Google's."""
    with pytest.raises(ProviderError) as caught:
        call()
    assert not any(word in caught.value.message for word in WORDS)
    assert caught.value.detail
    assert KEY not in caught.value.detail
    return caught.value


class TestSubmission:
    def test_order_is_sent_to_google(self, google, provider):
        operation = submit(
            provider,
            resolution="1080p",
            aspect_ratio="9:16",
            generate_audio=True,
            negative_prompt="rain",
            seed=0,
        )
        [record] = google.records
        assert record.operation == operation
        assert record.prompt == "A lighthouse at dusk"
        assert record.parameters == {
            "sampleCount": 1,
            "durationSeconds": 8,
            "resolution": "1080p",
            "aspectRatio": "9:16",
            "generateAudio": True,
            "negativePrompt": "rain",
            "seed": 0,
        }
        assert record.labels == LABELS

    def test_operator_chooses_which_people_google_shows(self, google):
        submit(provider_at(google, person_generation="allow_adult"))
        assert google.records[0].parameters["personGeneration"] == "allow_adult"

    def test_model_is_mapped_to_googles_name(self, google, provider):
        for model in MODELS.values():
            submit(provider, model=model.id)
            assert google.records[-1].model == model.veo_id

    def test_configured_model_id_is_used(self, google):
        name = "veo-3.1-fast-generate-preview"
        provider = provider_at(google, model_ids={name: "veo-3.1-lite-generate-001"})
        submit(provider, model=name)
        submit(provider, model="veo-3.1-generate-preview")
        assert [record.model for record in google.records] == [
            "veo-3.1-lite-generate-001",
            "veo-3.1-generate-001",
        ]

    def test_project_and_region_are_used(self, google):
        operation = submit(provider_at(google, location="europe-west4"))
        assert operation.startswith(f"projects/{PROJECT}/locations/europe-west4/publishers/google/")

    def test_key_without_project_suffices(self, google, tmp_path):
        provider = provider_at(google, project="")
        operation = submit(provider)
        assert operation.startswith("publishers/google/models/veo-3.1-fast-generate-001/")
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    @pytest.mark.parametrize(
        ("inputs", "roles"),
        [
            (Inputs(initial_image=picture(), end_frame=picture("blue")), ["image", "lastFrame"]),
            (Inputs(reference_images=[picture(), picture("blue")]), ["referenceImage"] * 2),
        ],
        ids=["first and last frame", "references"],
    )
    def test_images_are_sent_in_their_roles(self, google, provider, inputs, roles):
        submit(provider, inputs=inputs)
        sent = google.records[0].images
        assert [image["role"] for image in sent] == roles
        assert {image["mime_type"] for image in sent} == {"image/jpeg"}
        assert len({image["sha256"] for image in sent}) == len(roles)

    def test_silent_order_without_prompt_is_sent(self, google, provider):
        inputs = Inputs(initial_image=picture())
        submit(provider, prompt=None, inputs=inputs, duration_seconds=6)
        [record] = google.records
        assert record.prompt is None
        assert [image["role"] for image in record.images] == ["image"]
        assert record.parameters["generateAudio"] is False
        assert record.parameters["durationSeconds"] == 6
        assert not {"negativePrompt", "seed", "personGeneration"} & record.parameters.keys()


REFUSED = {  # what Google answers a submission: errorCode, whether it may be sent again
    "400": ("input.unsupported", False),
    "401": ("provider.rejected", False),
    "403": ("provider.rejected", False),
    "404": ("provider.rejected", False),
    "409": ("provider.rejected", False),
    "unsafe": ("safety.prompt", False),
    "429": ("provider.unavailable", True),
    "503": ("provider.unavailable", True),
    "500": ("provider.unknown_submission", False),
    "504": ("provider.unknown_submission", False),
    "html": ("provider.unknown_submission", False),
    "html200": ("provider.unknown_submission", False),
    "cut": ("provider.unknown_submission", False),
    "hang": ("provider.unknown_submission", False),
}


class TestRefusedSubmission:
    @pytest.mark.parametrize("fault", REFUSED)
    def test_error_is_translated_and_sent_once(self, google, provider, monkeypatch, fault):
        if fault == "hang":
            monkeypatch.setattr(veo, "TIMEOUT_MS", 1_000)
            provider = provider_at(google)
        google.fail("create", fault)
        error = refusal_of(lambda: submit(provider))
        assert (error.code, error.retryable) == REFUSED[fault]
        assert error.throttled is (fault == "429")
        assert len(google.records) == 1  # a second create would be a second video on the bill

    def test_wrong_key_is_rejected(self, google):
        error = refusal_of(lambda: submit(provider_at(google, api_key="another-key")))
        assert (error.code, error.retryable) == ("provider.rejected", False)
        assert "another-key" not in str(error)

    def test_retired_model_is_rejected(self, google):
        gone = {"veo-3.1-generate-001": "veo-3.1-generate-000"}
        provider = provider_at(google, model_ids=gone)
        error = refusal_of(lambda: submit(provider, model="veo-3.1-generate-001"))
        assert (error.code, error.retryable) == ("provider.rejected", False)
        assert "no longer offers this model" in error.message

    def test_refused_connection_is_retryable(self, google, provider):
        google.stop()
        error = refusal_of(lambda: submit(provider))
        google.start()
        assert (error.code, error.retryable) == ("provider.unavailable", True)


class TestRetryAfter:
    def test_retry_after_of_google_is_kept(self, google, provider):
        google.fail("create", "429:34")
        assert refusal_of(lambda: submit(provider)).retry_after == 34

    @pytest.mark.parametrize(
        ("details", "header", "seconds"),
        [
            ([], None, None),
            ([], "7", 7),
            ([{"retryDelay": "2.5s"}], "7", 2.5),
            ([{"@type": "type.googleapis.com/google.rpc.Help"}, {"retryDelay": "3s"}], None, 3),
            ([{"retryDelay": "soon"}], None, None),
            ([], "Tue, 24 Nov 2026 08:00:00 GMT", None),
        ],
    )
    def test_retry_after_is_read_from_details_or_header(self, details, header, seconds):
        response = httpx2.Response(429, headers={"Retry-After": header} if header else {})
        body = {"error": {"code": 429, "message": "slow down", "details": details}}
        assert veo._retry_after(errors.ClientError(429, body, response)) == seconds

    @pytest.mark.parametrize(
        "body",
        [
            {"error": "slow down"},
            {"error": {"details": None}},
            {"error": {"details": ["slow down"]}},
            {"error": {"details": {"a": 1}}},
            [{"error": {}}],
        ],
    )
    def test_body_of_another_shape_has_no_retry_after(self, body):
        error = errors.ClientError(429, {}, httpx2.Response(429))
        error.details = body
        assert veo._retry_after(error) is None


class TestPoll:
    def test_unfinished_operation_is_running(self, google, provider, tmp_path):
        operation = submit(provider, "{{seconds:60}}")
        assert provider.poll(operation=operation, into=tmp_path / "video") == Running()
        assert not (tmp_path / "video").exists()

    def test_video_is_written_by_any_process(self, google, provider, tmp_path):
        operation = submit(provider)
        assert provider_at(google).poll(operation=operation, into=tmp_path / "video") == Finished()
        assert (tmp_path / "video").read_bytes() == google.video_of(operation)

    @pytest.mark.parametrize(
        ("fault", "code"),
        {
            "filtered": "safety.output",
            "filtered-text": "safety.output",
            "unsafe": "safety.prompt",
            "error": "provider.unavailable",
            "error3": "input.unsupported",
            "error7": "provider.rejected",
            "error8": "provider.unavailable",
            "error14": "provider.unavailable",
            "empty": "provider.unavailable",
        }.items(),
    )
    def test_operation_without_video_fails_with_its_cause(
        self, google, provider, tmp_path, fault, code
    ):
        operation = submit(provider, marked("done", fault))
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert (error.code, error.retryable) == (code, False)
        assert not (tmp_path / "video").exists()

    @pytest.mark.parametrize(
        "fault", ["400", "403", "429", "500", "html", "html200", "cut", "hang"]
    )
    def test_failed_poll_is_retryable(self, google, provider, monkeypatch, tmp_path, fault):
        if fault == "hang":
            monkeypatch.setattr(veo, "TIMEOUT_MS", 1_000)
            provider = provider_at(google)
        operation = submit(provider)
        google.fail("poll", fault)
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert error.retryable
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    def test_truncated_answer_is_retryable(self, google, provider, tmp_path):
        operation = submit(provider, "{{done:truncatedx1}}")
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert (error.code, error.retryable) == ("provider.unavailable", True)
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    def test_refused_connection_is_retryable(self, google, provider, tmp_path):
        operation = submit(provider)
        google.stop()
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert (error.code, error.retryable) == ("provider.unavailable", True)
        google.start()
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    def test_unknown_operation_is_rejected(self, google, provider, tmp_path):
        operation = submit(provider)
        lost = operation.rpartition("/")[0] + "/0000"
        error = refusal_of(lambda: provider.poll(operation=lost, into=tmp_path / "video"))
        assert (error.code, error.retryable) == ("provider.rejected", False)


class TestLargeVideo:
    """It is on disk before the SDK has the answer; see test_video_stream.py."""

    SIZE = 10_000_000

    @pytest.fixture(autouse=True)
    def google(self, google, monkeypatch):
        monkeypatch.setattr(google, "_video_bytes", self.SIZE)
        return google

    def test_video_is_never_in_memory(self, google, provider, tmp_path):
        operation = submit(provider)
        tracemalloc.start()
        try:
            answer = provider.poll(operation=operation, into=tmp_path / "video")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert answer == Finished()
        assert (tmp_path / "video").read_bytes() == google.video_of(operation)
        assert most < self.SIZE / 5  # the imitation's own pieces are in it

    def test_parallel_polls_write_their_own_files(self, google, provider, tmp_path):
        """Each answer goes where the thread that asked for it wants it."""
        operations = [submit(provider) for _ in range(6)]

        def poll(number):
            return provider.poll(operation=operations[number], into=tmp_path / str(number))

        with ThreadPoolExecutor(len(operations)) as pool:
            assert list(pool.map(poll, range(len(operations)))) == [Finished()] * 6
        for number, operation in enumerate(operations):
            assert (tmp_path / str(number)).read_bytes() == google.video_of(operation)

    def test_unwritable_file_does_not_affect_the_next_poll(self, provider, tmp_path):
        operation = submit(provider)
        with pytest.raises(FileNotFoundError):
            provider.poll(operation=operation, into=tmp_path / "nowhere" / "video")
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    def test_sdk_reads_a_video_in_another_field(self, google, provider, tmp_path, monkeypatch):
        monkeypatch.setattr(video_stream, "FIELD", re.compile(b"another name"))
        operation = submit(provider)
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()
        assert (tmp_path / "video").read_bytes() == google.video_of(operation)
