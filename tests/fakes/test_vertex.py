"""The fake Vertex behaves towards google-genai, in enterprise mode, as Vertex does.

What the service does with each fault is tested in tests/jobs/providers/ and tests/faults/.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import requests
from google import genai
from google.genai import errors, types

from tests.fakes.vertex import VertexImitation, default_video

pytestmark = pytest.mark.once

MODEL = "veo-3.1-fast-generate-001"
LITE = "veo-3.1-lite-generate-001"
KEY = "test-google-key"
PNG = b"\x89PNG one"
PNG_2 = b"\x89PNG two"


@pytest.fixture
def vertex() -> Iterator[VertexImitation]:
    with VertexImitation(seconds=0.0) as service:
        yield service
        assert service.errors == []


def client_of(
    service: VertexImitation, *, key: str = KEY, timeout: int = 5_000, express: bool = False
) -> genai.Client:
    without_tls = {"verify": False}  # loading the certificates takes longer than most tests
    options = types.HttpOptions(base_url=service.url, timeout=timeout, client_args=without_tls)
    place: dict[str, Any] = {} if express else {"project": "studio", "location": "us-central1"}
    return genai.Client(enterprise=True, api_key=key, http_options=options, **place)


@pytest.fixture
def client(vertex: VertexImitation) -> genai.Client:
    return client_of(vertex)


def picture(data: bytes = PNG, kind: str | None = "image/png") -> types.Image:
    return types.Image(image_bytes=data, mime_type=kind)


def reference(data: bytes = PNG, kind: str = "ASSET") -> types.VideoGenerationReferenceImage:
    return types.VideoGenerationReferenceImage(
        image=picture(data), reference_type=types.VideoGenerationReferenceType(kind)
    )


def create(
    client: genai.Client,
    prompt: str | None = "a sunset",
    image: types.Image | None = None,
    model: str = MODEL,
    **config: Any,
) -> Any:
    source = types.GenerateVideosSource(prompt=prompt, image=image)
    return client.models.generate_videos(
        model=model, source=source, config=types.GenerateVideosConfig(**config)
    )


def poll(client: genai.Client, name: str) -> Any:
    operation = types.GenerateVideosOperation.model_validate({"name": name})
    return client.operations.get(operation)


def video_of(operation: Any) -> bytes:
    return operation.response.generated_videos[0].video.video_bytes


class TestVideo:
    def test_text_makes_a_video_with_the_parameters_of_the_request(self, vertex, client):
        operation = create(
            client,
            duration_seconds=4,
            resolution="720p",
            aspect_ratio="9:16",
            negative_prompt="rain",
            generate_audio=False,
            seed=7,
            number_of_videos=1,
            labels={"job": "7-a"},
        )
        done = poll(client, operation.name)
        assert operation.done is None
        assert operation.name.startswith(
            f"projects/studio/locations/us-central1/publishers/google/models/{MODEL}/operations/"
        )
        assert done.done is True
        assert done.response.generated_videos[0].video.mime_type == "video/mp4"
        assert video_of(done) == default_video(operation.name) == vertex.video_of(operation.name)
        assert vertex.records[0].parameters == {
            "sampleCount": 1,
            "durationSeconds": 4,
            "resolution": "720p",
            "aspectRatio": "9:16",
            "negativePrompt": "rain",
            "generateAudio": False,
            "seed": 7,
        }
        assert vertex.records[0].labels == {"job": "7-a"}

    def test_images_are_recorded_by_role(self, vertex, client):
        create(client, prompt=None, image=picture())
        create(client, image=picture(), last_frame=picture(PNG_2), duration_seconds=8)
        create(client, reference_images=[reference(), reference(PNG_2)])
        assert vertex.records[0].prompt is None
        assert [[image["role"] for image in record.images] for record in vertex.records] == [
            ["image"],
            ["image", "lastFrame"],
            ["referenceImage"] * 2,
        ]
        assert vertex.records[1].images[1] == {
            "role": "lastFrame",
            "mime_type": "image/png",
            "size": len(PNG_2),
            "sha256": hashlib.sha256(PNG_2).hexdigest(),
        }

    def test_express_mode_names_operations_without_a_project(self, vertex):
        client = client_of(vertex, express=True)
        operation = create(client)
        assert operation.name.startswith(f"publishers/google/models/{MODEL}/operations/")
        assert video_of(poll(client, operation.name)) == default_video(operation.name)

    @pytest.mark.parametrize("size", [48, 49, 50, 196_655, 196_657])
    def test_video_has_the_size_that_was_set(self, size):
        with VertexImitation(seconds=0, video_bytes=size) as vertex:
            client = client_of(vertex)
            name = create(client).name
            assert video_of(poll(client, name)) == default_video(name, size)
            assert len(vertex.video_of(name)) == size


class TestRefusal:
    @pytest.mark.parametrize(
        "asked",
        [
            {"prompt": None},
            {"duration_seconds": 5},
            {"duration_seconds": 4, "resolution": "1080p"},
            {"resolution": "480p"},
            {"aspect_ratio": "1:1"},
            {"person_generation": "everyone"},
            {"number_of_videos": 5},
            {"seed": -1},
            {"seed": 2**32},
            {"last_frame": picture()},
            {"image": picture(), "last_frame": picture(), "duration_seconds": 6},
            {"reference_images": [reference()] * 4},
            {"reference_images": [reference()], "image": picture()},
            {"reference_images": [reference()], "duration_seconds": 4},
            {"reference_images": [reference()], "aspect_ratio": "9:16"},
            {"reference_images": [reference()], "model": LITE},
            {"reference_images": [reference(kind="STYLE")]},
            {"resolution": "4k", "model": LITE},
            {"image": picture(kind="image/gif")},
        ],
    )
    def test_order_that_veo_does_not_support_is_refused(self, vertex, client, asked):
        with pytest.raises(errors.ClientError, match="Your use case is currently not supp") as info:
            create(client, **asked)
        assert (info.value.code, info.value.status) == (400, "INVALID_ARGUMENT")
        assert (vertex.records[0].status, vertex.records[0].operation) == (400, None)

    @pytest.mark.parametrize(
        "labels", [{"job": "A"}, {"Job": "a"}, {"job": "a" * 64}, {"job": "a b"}, {"": "a"}]
    )
    def test_label_that_google_does_not_take_is_refused(self, client, labels):
        with pytest.raises(errors.ClientError, match="Invalid labels"):
            create(client, labels=labels)

    def test_negative_prompt_with_references_is_refused(self, client):
        with pytest.raises(errors.ClientError, match="Negative prompt is not supported"):
            create(client, reference_images=[reference()], negative_prompt="rain")

    def test_image_without_a_type_is_refused(self, client):
        with pytest.raises(errors.ClientError, match="both `bytesBase64Encoded` and `mimeType`"):
            create(client, image=picture(kind=None))

    def test_unknown_model_is_404(self, client):
        with pytest.raises(errors.ClientError, match="was not found or your project") as info:
            create(client, model="veo-3.1-generate-preview")
        assert (info.value.code, info.value.status) == (404, "NOT_FOUND")

    def test_unknown_operation_is_404(self, client):
        with pytest.raises(errors.ClientError) as info:
            poll(client, f"publishers/google/models/{MODEL}/operations/none")
        assert info.value.code == 404

    def test_wrong_key_is_400_and_no_key_is_403(self, vertex):
        with pytest.raises(errors.ClientError) as info:
            create(client_of(vertex, key="wrong"))
        assert info.value.code == 400
        assert info.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"
        url = f"{vertex.url}/v1/publishers/google/models/{MODEL}:predictLongRunning"
        answer = requests.post(url, json={}, timeout=10)
        assert answer.status_code == 403
        assert answer.json()["error"]["status"] == "PERMISSION_DENIED"


class TestOperation:
    def test_operation_runs_for_the_seconds_in_its_prompt(self, vertex, client):
        name = create(client, "{{seconds:0.3}}").name
        assert poll(client, name).done is None
        assert (vertex.in_flight, vertex.max_in_flight) == (1, 1)
        time.sleep(0.3)
        assert poll(client, name).done is True
        assert (vertex.records[0].polls, vertex.records[0].deliveries) == (2, 1)
        assert (vertex.in_flight, vertex.max_in_flight) == (0, 1)

    @pytest.mark.parametrize(
        ("mark", "codes"), [("filtered", "64151117"), ("filtered-text", "42237218")]
    )
    def test_filtered_video_is_missing_and_its_reason_is_given(self, client, mark, codes):
        done = poll(client, create(client, f"{{{{done:{mark}}}}}").name)
        assert (done.done, done.error) == (True, None)
        assert done.response.generated_videos is None
        assert done.response.rai_media_filtered_count == 1
        assert codes in done.response.rai_media_filtered_reasons[0]

    @pytest.mark.parametrize(("mark", "code"), [("error", 13), ("error3", 3)])
    def test_failed_operation_has_an_error_and_no_response(self, client, mark, code):
        done = poll(client, create(client, f"{{{{done:{mark}}}}}").name)
        assert (done.done, done.error["code"], done.response) == (True, code, None)

    def test_empty_response_has_no_video(self, client):
        done = poll(client, create(client, "{{done:empty}}").name)
        assert (done.done, done.error) == (True, None)
        assert done.response == types.GenerateVideosResponse()

    def test_truncated_answer_is_a_connection_error_once(self, vertex, client):
        name = create(client, "{{done:truncatedx1}}").name
        with pytest.raises(httpx2.RemoteProtocolError):
            poll(client, name)
        assert vertex.records[0].deliveries == 0
        assert video_of(poll(client, name)) == default_video(name)
        assert vertex.records[0].deliveries == 1

    def test_video_is_cut_in_half_or_no_mp4(self, client):
        name = create(client, "{{done:half}}").name
        assert video_of(poll(client, name)) == default_video(name)[:2_048]
        video = video_of(poll(client, create(client, "{{done:notmp4}}").name))
        assert video
        assert video[4:8] != b"ftyp"


class TestFaultOfCreate:
    @pytest.mark.parametrize(
        ("code", "status"),
        [
            (400, "INVALID_ARGUMENT"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (429, "RESOURCE_EXHAUSTED"),
            (503, "UNAVAILABLE"),
        ],
    )
    def test_status_is_answered_in_the_form_of_google(self, vertex, client, code, status):
        with pytest.raises(errors.APIError) as info:
            create(client, f"{{{{create:{code}}}}}")
        assert (info.value.code, info.value.status) == (code, status)
        assert (vertex.records[0].status, vertex.records[0].operation) == (code, None)

    def test_429_says_how_long_to_wait(self, client):
        with pytest.raises(errors.ClientError) as info:
            create(client, "{{create:429:34}}")
        retry = info.value.details["error"]["details"][0]
        assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
        assert info.value.response.headers["retry-after"] == "34"

    def test_marks_apply_in_order_and_as_often_as_they_say(self, vertex, client):
        prompt = "{{create:503x2}} a cat {{poll:500x1}} {{create:429x1}}"
        for _ in range(3):
            with pytest.raises(errors.APIError):
                create(client, prompt)
        name = create(client, prompt).name
        with pytest.raises(errors.ServerError):
            poll(client, name)
        assert poll(client, name).done
        assert [record.status for record in vertex.records] == [503, 503, 429, 200]

    def test_html_page_is_502_or_looks_like_success(self, vertex, client):
        with pytest.raises(errors.ServerError, match="<html>") as info:
            create(client, "{{create:html}}")
        assert info.value.code == 502
        with pytest.raises(json.JSONDecodeError):  # neither an APIError nor an HTTPError
            create(client, "{{create:html200}}")
        assert (vertex.records[1].status, vertex.records[1].operation) == (200, None)

    def test_cut_connection_leaves_an_operation(self, vertex, client):
        with pytest.raises(httpx2.RemoteProtocolError):
            create(client, "{{create:cut}}")
        assert vertex.records[0].status is None
        assert poll(client, vertex.records[0].operation).done

    def test_slow_answer_leaves_an_operation_and_a_hanging_one_does_not(self, vertex):
        impatient = client_of(vertex, timeout=300)
        for prompt in ("{{create:slow:2}}", "{{create:hang}}"):
            with pytest.raises(httpx2.ReadTimeout):
                create(impatient, prompt)
        slow, hanging = vertex.records
        assert slow.operation
        assert (hanging.status, hanging.operation) == (None, None)


class TestFaultOfPoll:
    @pytest.mark.parametrize(("fault", "code"), [("500x2", 500), ("503x2", 503), ("htmlx2", 502)])
    def test_fault_applies_to_the_first_polls_of_each_operation(self, client, fault, code):
        for name in [create(client, f"{{{{poll:{fault}}}}}").name for _ in range(2)]:
            for _ in range(2):
                with pytest.raises(errors.ServerError) as info:
                    poll(client, name)
                assert info.value.code == code
            assert poll(client, name).done

    def test_lost_operation_stays_404(self, client):
        name = create(client, "{{poll:404}}").name
        for _ in range(2):
            with pytest.raises(errors.ClientError) as info:
                poll(client, name)
            assert info.value.code == 404

    def test_connection_is_cut_or_hangs(self, vertex, client):
        with pytest.raises(httpx2.RemoteProtocolError):
            poll(client, create(client, "{{poll:cut}}").name)
        with pytest.raises(httpx2.ReadTimeout):
            poll(client_of(vertex, timeout=300), create(client, "{{poll:hang}}").name)


class TestRule:
    def test_rule_applies_to_the_next_matching_requests(self, vertex, client):
        vertex.fail("create", "503", times=2)
        for _ in range(2):
            with pytest.raises(errors.ServerError):
                create(client)
        vertex.fail("poll", "500", match=lambda record: record["prompt"] == "second")
        vertex.fail("done", "filtered", match=lambda record: record["prompt"] == "first")
        first, second = create(client, "first").name, create(client, "second").name
        assert poll(client, first).response.rai_media_filtered_count == 1
        with pytest.raises(errors.ServerError):
            poll(client, second)
        assert video_of(poll(client, second))

    def test_unknown_stage_is_an_error(self, vertex):
        with pytest.raises(ValueError, match="create, poll, done"):
            vertex.fail("upload", "503")


class TestStop:
    def test_stop_is_an_outage_that_start_ends(self, vertex, client):
        name = create(client).name
        port = vertex.port
        vertex.stop()
        with pytest.raises(httpx2.HTTPError):
            poll(client, name)
        vertex.start()
        assert vertex.port == port
        assert video_of(poll(client, name)) == default_video(name)
