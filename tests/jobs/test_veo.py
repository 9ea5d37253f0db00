"""The Veo provider, with the real google-genai, against the imitation of Vertex."""

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import PosixPath
from typing import Any

import httpx2
import pytest
from google.genai import errors
from PIL import Image as Pillow

from jobs import images
from jobs.catalog import MODELS, Order
from jobs.providers import veo
from jobs.providers.base import Finished, Inputs, ProviderError, Running
from tests.imitations import VertexImitation

pytestmark = pytest.mark.once

KEY, PROJECT = "test-google-key", "studio"
WORDS = ("Support codes", "quota", "overloaded", "API key", "use case", "<html>", KEY, PROJECT)


@pytest.fixture
def google():
    with VertexImitation(seconds=0) as service:
        yield service
        assert service.errors == []


@pytest.fixture
def provider(google):
    return provider_at(google)


def provider_at(google, **options):
    account = {"api_key": KEY, "project": PROJECT, "location": "us-central1"}
    return veo.Veo(**account | {"base_url": google.url} | options)


def order(prompt="A lighthouse at dusk", **fields):
    usual: dict[str, Any] = {
        "model": "veo-3.1-fast-generate-preview",
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "duration_seconds": 8,
        "generate_audio": False,
        "mock_mode": False,
    }
    return Order(prompt=prompt, **usual | fields)


def submit(provider, prompt="A lighthouse at dusk", inputs=None, **fields):
    return provider.submit(order=order(prompt, **fields), inputs=inputs or Inputs())


def marked(stage, fault):
    """A prompt that makes the imitation fail."""
    return "A lighthouse {{" + f"{stage}:{fault}" + "}}"


def picture(color="red"):
    file = io.BytesIO()
    Pillow.new("RGB", (64, 36), color).save(file, "PNG")
    return images.prepare(upload=file, size=file.tell())


def refusal_of(call):
    """The ProviderError of `call`; its message, which clients see, holds nothing of Google's."""
    with pytest.raises(ProviderError) as caught:
        call()
    assert not any(word in caught.value.message for word in WORDS)
    assert caught.value.detail
    assert KEY not in caught.value.detail
    return caught.value


class TestSubmission:
    def test_asks_for_what_was_ordered(self, google, provider):
        operation = submit(
            provider,
            resolution="1080p",
            aspect_ratio="9:16",
            generate_audio=True,
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
        }

    def test_says_that_no_sound_is_wanted(self, google, provider):
        submit(provider, duration_seconds=4)
        assert google.records[0].parameters["generateAudio"] is False
        assert google.records[0].parameters["durationSeconds"] == 4

    @pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.id)
    def test_maps_each_public_name_to_one_of_googles(self, google, provider, model):
        submit(provider, model=model.id)
        assert google.records[0].model == model.veo_id

    def test_takes_the_operators_word_for_a_model(self, google):
        name = "veo-3.1-fast-generate-preview"
        provider = provider_at(google, model_ids={name: "veo-3.1-lite-generate-001"})
        submit(provider, model=name)
        submit(provider, model="veo-3.1-generate-preview")
        assert [record.model for record in google.records] == [
            "veo-3.1-lite-generate-001",
            "veo-3.1-generate-001",
        ]

    def test_goes_to_the_project_and_its_region(self, google):
        operation = submit(provider_at(google, location="europe-west4"))
        assert operation.startswith(f"projects/{PROJECT}/locations/europe-west4/publishers/google/")

    def test_needs_no_project_beside_a_key(self, google, tmp_path):
        provider = provider_at(google, project="")
        operation = submit(provider)
        assert operation.startswith("publishers/google/models/veo-3.1-fast-generate-001/")
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    @pytest.mark.parametrize(
        ("inputs", "roles"),
        [
            (Inputs(initial_image=picture()), ["image"]),
            (Inputs(initial_image=picture(), end_frame=picture("blue")), ["image", "lastFrame"]),
            (Inputs(reference_images=[picture(), picture("blue")]), ["referenceImage"] * 2),
        ],
        ids=["first frame", "first and last frame", "references"],
    )
    def test_brings_the_images_in_their_roles(self, google, provider, inputs, roles):
        submit(provider, inputs=inputs)
        sent = google.records[0].images
        assert [image["role"] for image in sent] == roles
        assert {image["mime_type"] for image in sent} == {"image/jpeg"}
        assert len({image["sha256"] for image in sent}) == len(roles)

    def test_needs_no_prompt_beside_an_image(self, google, provider):
        submit(provider, prompt=None, inputs=Inputs(initial_image=picture()))
        assert google.records[0].prompt is None


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
    def test_is_told_by_its_cause(self, google, monkeypatch, fault):
        if fault == "hang":
            monkeypatch.setattr(veo, "TIMEOUT_MS", 1_000)
        google.fail("create", fault)
        error = refusal_of(lambda: submit(provider_at(google)))
        assert (error.code, error.retryable) == REFUSED[fault]
        assert error.throttled is (fault == "429")
        assert len(google.records) == 1  # a second create would be a second video on the bill

    def test_tells_a_wrong_key(self, google):
        error = refusal_of(lambda: submit(provider_at(google, api_key="another-key")))
        assert (error.code, error.retryable) == ("provider.rejected", False)
        assert "another-key" not in str(error)

    def test_tells_a_retired_model(self, google):
        gone = {"veo-3.1-generate-001": "veo-3.1-generate-000"}
        provider = provider_at(google, model_ids=gone)
        error = refusal_of(lambda: submit(provider, model="veo-3.1-generate-001"))
        assert (error.code, error.retryable) == ("provider.rejected", False)
        assert "no longer offers this model" in error.message

    def test_may_be_sent_again_where_nobody_was_reached(self, google, provider):
        google.stop()
        error = refusal_of(lambda: submit(provider))
        assert (error.code, error.retryable) == ("provider.unavailable", True)


class TestRetryAfter:
    def test_is_what_google_asks_for(self, google, provider):
        google.fail("create", "429:34")
        assert refusal_of(lambda: submit(provider)).retry_after == 34

    def test_holds_for_polls_too(self, google, provider, tmp_path):
        operation = submit(provider)
        google.fail("poll", "503:1.5")
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert error.retry_after == 1.5

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
    def test_is_found_where_it_may_be(self, details, header, seconds):
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
    def test_is_none_in_a_body_of_another_shape(self, body):
        error = errors.ClientError(429, {}, httpx2.Response(429))
        error.details = body
        assert veo._retry_after(error) is None


class TestPoll:
    def test_finds_it_running(self, google, provider, tmp_path):
        google.seconds = 60
        operation = submit(provider)
        assert provider.poll(operation=operation, into=tmp_path / "video") == Running()
        assert not (tmp_path / "video").exists()

    def test_writes_the_video(self, google, provider, tmp_path):
        operation = submit(provider)
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()
        assert (tmp_path / "video").read_bytes() == google.video_of(operation)

    def test_needs_the_operations_name_alone(self, google, provider, tmp_path):
        operation = submit(provider)
        assert provider_at(google).poll(operation=operation, into=tmp_path / "video") == Finished()

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
    def test_ends_without_a_video(self, google, provider, tmp_path, fault, code):
        operation = submit(provider, marked("done", fault))
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert (error.code, error.retryable) == (code, False)
        assert not (tmp_path / "video").exists()

    @pytest.mark.parametrize(
        "fault", ["400", "401", "403", "429", "500", "503", "504", "html", "html200", "cut", "hang"]
    )
    def test_may_be_repeated_after_an_error(self, google, monkeypatch, tmp_path, fault):
        if fault == "hang":
            monkeypatch.setattr(veo, "TIMEOUT_MS", 1_000)
        provider = provider_at(google)
        operation = submit(provider)
        google.fail("poll", fault)
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert error.retryable
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    def test_may_be_repeated_after_an_answer_that_broke_off(self, google, provider, tmp_path):
        operation = submit(provider, "{{done:truncatedx1}}")
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert (error.code, error.retryable) == ("provider.unavailable", True)
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    def test_may_be_repeated_while_google_is_down(self, google, provider, tmp_path):
        operation = submit(provider)
        google.stop()
        error = refusal_of(lambda: provider.poll(operation=operation, into=tmp_path / "video"))
        assert (error.code, error.retryable) == ("provider.unavailable", True)
        google.start()
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()

    def test_gives_up_what_google_no_longer_knows(self, google, provider, tmp_path):
        operation = submit(provider)
        lost = operation.rpartition("/")[0] + "/0000"
        error = refusal_of(lambda: provider.poll(operation=lost, into=tmp_path / "video"))
        assert (error.code, error.retryable) == ("provider.rejected", False)


class CountingPath(PosixPath):
    """A path that is slow to write to, and counts how many are written to at the same time."""

    lock = threading.Lock()
    now = most = 0

    def write_bytes(self, data):
        cls = type(self)
        with cls.lock:
            cls.now += 1
            cls.most = max(cls.most, cls.now)
        time.sleep(0.2)  # long enough for the others to come, were they let in
        with cls.lock:
            cls.now -= 1
        return super().write_bytes(data)


class TestBigAnswers:
    SIZE = 3 * veo.BIG_ANSWER

    @pytest.fixture
    def google(self):
        with VertexImitation(seconds=0, video_bytes=self.SIZE) as service:
            yield service
            assert service.errors == []

    def poll_at_once(self, provider, operations, folder):
        class Counting(CountingPath):
            pass

        def poll(number):
            into = Counting(folder / str(number))
            return provider.poll(operation=operations[number], into=into)

        with ThreadPoolExecutor(len(operations)) as pool:
            answers = list(pool.map(poll, range(len(operations))))
        return answers, Counting.most

    def test_are_let_in_two_at_a_time(self, google, provider, tmp_path):
        operations = [submit(provider) for _ in range(6)]
        answers, most = self.poll_at_once(provider, operations, tmp_path)
        assert answers == [Finished()] * 6
        assert most <= veo.BIG_ANSWERS_AT_ONCE
        for number, operation in enumerate(operations):
            assert (tmp_path / str(number)).read_bytes() == google.video_of(operation)

    def test_do_not_keep_small_ones_waiting(self, google, provider, tmp_path):
        big = [submit(provider) for _ in range(2)]
        google.seconds = 60
        running = submit(provider)
        writing = threading.Barrier(3)

        class Stuck(PosixPath):
            def write_bytes(self, data):
                writing.wait(timeout=20)  # for the other one, and for the test
                writing.wait(timeout=20)
                return super().write_bytes(data)

        with ThreadPoolExecutor(2) as pool:
            polls = [
                pool.submit(provider.poll, operation=operation, into=Stuck(tmp_path / str(number)))
                for number, operation in enumerate(big)
            ]
            writing.wait(timeout=20)  # both places are taken
            assert provider.poll(operation=running, into=tmp_path / "small") == Running()
            submit(provider)
            writing.wait(timeout=20)
            assert [poll.result() for poll in polls] == [Finished()] * 2

    @pytest.mark.parametrize("fault", ["truncated", "half"])
    def test_give_their_place_back_however_they_end(self, google, provider, tmp_path, fault):
        """A place that is lost would leave the last poll waiting for ever."""

        class Full(PosixPath):
            def write_bytes(self, data):
                raise OSError("no space left on device")

        for _ in range(2 * veo.BIG_ANSWERS_AT_ONCE):
            operation = submit(provider, marked("done", fault))
            with pytest.raises((OSError, ProviderError)):
                provider.poll(operation=operation, into=Full(tmp_path / "full"))
        operation = submit(provider)
        assert provider.poll(operation=operation, into=tmp_path / "video") == Finished()
