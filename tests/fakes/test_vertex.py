"""google-genai in enterprise mode against the fake Vertex."""

import hashlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
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
    options = types.HttpOptions(base_url=service.url, timeout=timeout)
    if express:
        return genai.Client(enterprise=True, api_key=key, http_options=options)
    return genai.Client(
        enterprise=True,
        api_key=key,
        project="studio",
        location="us-central1",
        http_options=options,
    )


@pytest.fixture
def client(vertex: VertexImitation) -> genai.Client:
    return client_of(vertex)


def picture(data: bytes = PNG, kind: str | None = "image/png") -> types.Image:
    return types.Image(image_bytes=data, mime_type=kind)


def reference(data: bytes = PNG, kind: str = "ASSET") -> types.VideoGenerationReferenceImage:
    of = types.VideoGenerationReferenceType(kind)
    return types.VideoGenerationReferenceImage(image=picture(data), reference_type=of)


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


def fetch_json(url: str, data: dict | None = None, method: str | None = None) -> Any:
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, method=method)) as answer:
        return json.load(answer)


class TestModes:
    def test_makes_a_video_from_text(self, vertex, client):
        operation = create(
            client,
            duration_seconds=4,
            resolution="720p",
            aspect_ratio="9:16",
            negative_prompt="rain",
            generate_audio=False,
            seed=7,
            number_of_videos=1,
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

    def test_makes_a_video_from_an_image(self, vertex, client):
        create(client, prompt=None, image=picture())
        assert vertex.records[0].prompt is None
        assert vertex.records[0].images == [
            {
                "role": "image",
                "mime_type": "image/png",
                "size": len(PNG),
                "sha256": hashlib.sha256(PNG).hexdigest(),
            }
        ]

    def test_makes_a_video_between_two_frames(self, vertex, client):
        create(client, image=picture(), last_frame=picture(PNG_2), duration_seconds=8)
        assert [one["role"] for one in vertex.records[0].images] == ["image", "lastFrame"]
        assert vertex.records[0].images[1]["sha256"] == hashlib.sha256(PNG_2).hexdigest()

    def test_makes_a_video_from_references(self, vertex, client):
        operation = create(client, reference_images=[reference(), reference(PNG_2), reference()])
        assert [one["role"] for one in vertex.records[0].images] == ["referenceImage"] * 3
        assert video_of(poll(client, operation.name)) == vertex.video_of(operation.name)

    def test_serves_express_mode(self, vertex):
        client = client_of(vertex, express=True)
        operation = create(client)
        assert operation.name.startswith(f"publishers/google/models/{MODEL}/operations/")
        assert video_of(poll(client, operation.name)) == default_video(operation.name)

    def test_answers_with_a_bucket_where_one_was_asked_for(self, client):
        done = poll(client, create(client, output_gcs_uri="gs://bucket/folder").name)
        assert done.response.generated_videos[0].video.uri.startswith("gs://bucket/folder/")


class TestRefusals:
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
            {"last_frame": picture()},
            {"image": picture(), "last_frame": picture(), "duration_seconds": 6},
            {"reference_images": [reference()] * 4},
            {"reference_images": [reference()], "image": picture()},
            {"reference_images": [reference()], "duration_seconds": 4},
            {"reference_images": [reference()], "aspect_ratio": "9:16"},
            {"reference_images": [reference()], "model": LITE},
            {"resolution": "4k", "model": LITE},
            {"image": picture(kind="image/gif")},
        ],
    )
    def test_refuses_what_veo_does_not_support(self, vertex, client, asked):
        with pytest.raises(errors.ClientError, match="Your use case is currently not supp") as info:
            create(client, **asked)
        assert (info.value.code, info.value.status) == (400, "INVALID_ARGUMENT")
        assert vertex.records[0].status == 400
        assert vertex.records[0].operation is None

    def test_refuses_a_reference_that_is_a_style(self, client):
        with pytest.raises(errors.ClientError, match="not supported"):
            create(client, reference_images=[reference(kind="STYLE")])

    def test_refuses_an_image_without_its_type(self, client):
        with pytest.raises(errors.ClientError, match="both `bytesBase64Encoded` and `mimeType`"):
            create(client, image=picture(kind=None))

    def test_does_not_know_a_model(self, client):
        with pytest.raises(errors.ClientError, match="was not found or your project") as info:
            create(client, model="veo-3.1-generate-preview")
        assert (info.value.code, info.value.status) == (404, "NOT_FOUND")

    def test_refuses_a_wrong_key(self, vertex):
        with pytest.raises(errors.ClientError) as info:
            create(client_of(vertex, key="wrong"))
        assert info.value.code == 400
        assert info.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"

    def test_refuses_a_request_without_a_key(self, vertex):
        url = f"{vertex.url}/v1/publishers/google/models/{MODEL}:predictLongRunning"
        with pytest.raises(urllib.error.HTTPError) as info:
            fetch_json(url, {})
        with info.value as answer:
            assert answer.code == 403
            assert json.load(answer)["error"]["status"] == "PERMISSION_DENIED"

    def test_does_not_know_an_operation(self, client):
        name = f"publishers/google/models/{MODEL}/operations/none"
        with pytest.raises(errors.ClientError) as info:
            poll(client, name)
        assert info.value.code == 404


class TestOutcomes:
    def test_runs_for_its_seconds(self, vertex, client):
        name = create(client, "{{seconds:0.3}}").name
        assert poll(client, name).done is None
        time.sleep(0.3)
        assert poll(client, name).done is True
        assert (vertex.records[0].polls, vertex.records[0].deliveries) == (2, 1)

    def test_draws_seconds_from_a_range(self):
        with VertexImitation(seconds=(5, 9), seed=1) as vertex:
            client = client_of(vertex)
            before = time.monotonic()
            for _ in range(5):
                create(client)
            spans = [(record.done_at or 0) - before for record in vertex.records]
        assert all(5 <= span < 10 for span in spans)
        assert len({round(span) for span in spans}) > 1

    @pytest.mark.parametrize(
        ("mark", "codes"), [("filtered", "64151117"), ("filtered-text", "42237218")]
    )
    def test_can_be_filtered(self, client, mark, codes):
        done = poll(client, create(client, f"{{{{done:{mark}}}}}").name)
        assert (done.done, done.error) == (True, None)
        assert done.response.generated_videos is None
        assert done.response.rai_media_filtered_count == 1
        assert codes in done.response.rai_media_filtered_reasons[0]

    @pytest.mark.parametrize(("mark", "code"), [("error", 13), ("error3", 3)])
    def test_can_fail(self, client, mark, code):
        done = poll(client, create(client, f"{{{{done:{mark}}}}}").name)
        assert (done.done, done.error["code"], done.response) == (True, code, None)

    def test_can_be_empty(self, client):
        done = poll(client, create(client, "{{done:empty}}").name)
        assert (done.done, done.error) == (True, None)
        assert done.response == types.GenerateVideosResponse()

    def test_can_break_off_once(self, vertex, client):
        name = create(client, "{{done:truncatedx1}}").name
        with pytest.raises(httpx2.RemoteProtocolError):
            poll(client, name)
        assert vertex.records[0].deliveries == 0
        assert video_of(poll(client, name)) == default_video(name)
        assert vertex.records[0].deliveries == 1

    def test_can_deliver_half_of_it(self, client):
        name = create(client, "{{done:half}}").name
        assert video_of(poll(client, name)) == default_video(name)[:2_048]

    def test_can_deliver_what_is_no_mp4(self, client):
        video = video_of(poll(client, create(client, "{{done:notmp4}}").name))
        assert video
        assert video[4:8] != b"ftyp"


class TestContent:
    def test_is_each_operations_own_to_the_byte(self):
        with VertexImitation(seconds=0, video_bytes=20_000_000) as vertex:
            client = client_of(vertex, timeout=30_000)
            names = [create(client).name for _ in range(2)]
            videos = [video_of(poll(client, name)) for name in names]
        assert [len(video) for video in videos] == [20_000_000] * 2
        assert videos == [default_video(name, 20_000_000) for name in names]
        assert videos[0] != videos[1]
        assert videos[0][4:8] == b"ftyp"

    @pytest.mark.parametrize("size", [48, 49, 50, 196_655, 196_657])
    def test_has_any_size(self, size):
        with VertexImitation(seconds=0, video_bytes=size) as vertex:
            client = client_of(vertex)
            name = create(client).name
            assert video_of(poll(client, name)) == default_video(name, size)
            assert len(vertex.video_of(name)) == size

    def test_can_be_given(self):
        with VertexImitation(seconds=0, video=b"the same for all") as vertex:
            client = client_of(vertex)
            assert video_of(poll(client, create(client).name)) == b"the same for all"

    def test_can_be_made_from_the_request(self):
        def made(request: dict) -> bytes:
            return f"{request['prompt']} {request['model']}".encode()

        with VertexImitation(seconds=0, video=made) as vertex:
            client = client_of(vertex)
            assert video_of(poll(client, create(client).name)) == f"a sunset {MODEL}".encode()


class TestFaultsOfCreate:
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
    def test_answers_a_status(self, vertex, client, code, status):
        with pytest.raises(errors.APIError) as info:
            create(client, f"{{{{create:{code}}}}}")
        assert (info.value.code, info.value.status) == (code, status)
        assert (vertex.records[0].status, vertex.records[0].operation) == (code, None)

    def test_tells_how_long_to_wait(self, client):
        with pytest.raises(errors.ClientError) as info:
            create(client, "{{create:429:34}}")
        retry = info.value.details["error"]["details"][0]
        assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
        assert info.value.response.headers["retry-after"] == "34"

    def test_works_after_the_first_times(self, vertex, client):
        for prompt in ("{{create:503x3}} one", "{{create:503x3}} two"):
            for _ in range(3):
                with pytest.raises(errors.ServerError):
                    create(client, prompt)
            assert create(client, prompt).name
        assert [one.status for one in vertex.records] == [503, 503, 503, 200] * 2

    def test_gives_the_marks_in_their_order(self, vertex, client):
        prompt = "{{create:503x1}} a cat {{poll:500x1}} {{create:429x1}}"
        for _ in range(2):
            with pytest.raises(errors.APIError):
                create(client, prompt)
        name = create(client, prompt).name
        with pytest.raises(errors.ServerError):
            poll(client, name)
        assert poll(client, name).done
        assert [one.status for one in vertex.records] == [503, 429, 200]

    def test_answers_a_page(self, client):
        with pytest.raises(errors.ServerError) as info:
            create(client, "{{create:html}}")
        assert info.value.code == 502
        assert "<html>" in str(info.value.message)

    def test_answers_a_page_that_looks_like_success(self, vertex, client):
        with pytest.raises(json.JSONDecodeError):  # neither an APIError nor an HTTPError
            create(client, "{{create:html200}}")
        assert (vertex.records[0].status, vertex.records[0].operation) == (200, None)

    def test_cuts_after_accepting(self, vertex, client):
        with pytest.raises(httpx2.RemoteProtocolError):
            create(client, "{{create:cut}}")
        assert vertex.records[0].status is None
        assert poll(client, vertex.records[0].operation).done

    def test_hangs_until_the_client_goes(self, vertex):
        with pytest.raises(httpx2.ReadTimeout):
            create(client_of(vertex, timeout=200), "{{create:hang}}")
        assert (vertex.records[0].status, vertex.records[0].operation) == (None, None)

    def test_hangs_until_it_cuts(self, client):
        with pytest.raises(httpx2.RemoteProtocolError):
            create(client, "{{create:hang:0.1}}")

    def test_accepts_at_once_what_it_answers_late(self, vertex):
        with pytest.raises(httpx2.ReadTimeout):
            create(client_of(vertex, timeout=200), "{{create:slow:1}}")
        assert vertex.records[0].operation
        assert create(client_of(vertex), "{{create:slow:0.1}}").name


class TestFaultsOfPoll:
    @pytest.mark.parametrize(("fault", "code"), [("500x4", 500), ("503x4", 503), ("htmlx4", 502)])
    def test_fails_the_first_times_of_each_operation(self, vertex, client, fault, code):
        for name in [create(client, f"{{{{poll:{fault}}}}}").name for _ in range(2)]:
            for _ in range(4):
                with pytest.raises(errors.ServerError) as info:
                    poll(client, name)
                assert info.value.code == code
            assert poll(client, name).done
        assert [one.polls for one in vertex.records] == [5, 5]

    def test_forgets_an_operation(self, client):
        name = create(client, "{{poll:404}}").name
        for _ in range(2):
            with pytest.raises(errors.ClientError) as info:
                poll(client, name)
            assert info.value.code == 404

    def test_cuts(self, client):
        with pytest.raises(httpx2.RemoteProtocolError):
            poll(client, create(client, "{{poll:cut}}").name)

    def test_hangs(self, vertex):
        client = client_of(vertex, timeout=200)
        with pytest.raises(httpx2.ReadTimeout):
            poll(client, create(client, "{{poll:hang}}").name)


class TestRules:
    def test_fail_the_next_requests(self, vertex, client):
        vertex.fail("create", "503", times=2)
        for _ in range(2):
            with pytest.raises(errors.ServerError):
                create(client)
        assert create(client).name

    def test_fail_those_that_match(self, vertex, client):
        vertex.fail("poll", "500", match=lambda one: one["prompt"] == "second")
        vertex.fail("done", "filtered", match=lambda one: one["prompt"] == "first")
        first, second = create(client, "first").name, create(client, "second").name
        assert poll(client, first).response.rai_media_filtered_count == 1
        with pytest.raises(errors.ServerError):
            poll(client, second)
        assert video_of(poll(client, second))

    def test_come_over_http_too(self, vertex, client):
        rule = {"fault": "429", "times": None, "prompt_contains": "sun"}
        fetch_json(f"{vertex.url}/_faults", rule)
        for _ in range(3):
            with pytest.raises(errors.ClientError):
                create(client, "a sunset")
        assert create(client, "a moonrise").name
        fetch_json(f"{vertex.url}/_faults", {}, method="DELETE")
        assert create(client, "a sunset").name

    def test_know_their_stages(self, vertex):
        with pytest.raises(ValueError, match="create, poll, done"):
            vertex.fail("upload", "503")


class TestRecords:
    def test_are_readable_over_http(self, vertex, client):
        poll(client, create(client, image=picture(), duration_seconds=8).name)
        create(client, "another")
        told = fetch_json(f"{vertex.url}/_records?prompt=a+sunset")
        (one,) = told["creates"]
        assert (one["prompt"], one["model"], one["status"]) == ("a sunset", MODEL, 200)
        assert (one["polls"], one["deliveries"]) == (1, 1)
        assert one["images"][0]["sha256"] == hashlib.sha256(PNG).hexdigest()
        assert len(fetch_json(f"{vertex.url}/_records")["creates"]) == 2

    def test_count_what_was_in_flight(self, vertex, client):
        for _ in range(3):
            create(client, "{{seconds:0.2}}")
        assert (vertex.in_flight, vertex.max_in_flight) == (3, 3)
        time.sleep(0.25)
        create(client)
        assert (vertex.in_flight, vertex.max_in_flight) == (0, 3)


def raw_exchange(port: int, path: str, body: dict) -> dict:
    """One request without the SDK, which is itself the limit at hundreds of threads."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-goog-api-key: {KEY}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])


class TestLoad:
    def test_holds_200_connections_and_1000_operations(self):
        path = f"/v1/publishers/google/models/{MODEL}"
        together = threading.Barrier(200)

        def five(number: int) -> list[str]:
            together.wait()
            body = {"instances": [{"prompt": f"number {number}"}], "parameters": {}}
            url = f"{path}:predictLongRunning"
            return [raw_exchange(service.port, url, body)["name"] for _ in range(5)]

        def answer(name: str) -> dict:
            url = f"{path}:fetchPredictOperation"
            return raw_exchange(service.port, url, {"operationName": name})

        with VertexImitation(seconds=60) as service, ThreadPoolExecutor(200) as pool:
            names = [name for five_names in pool.map(five, range(200)) for name in five_names]
            assert list(pool.map(answer, names)) == [{"name": name} for name in names]
            assert (len(set(names)), service.max_in_flight) == (1_000, 1_000)
            assert service.errors == []

    def test_serves_the_sdk_from_many_threads(self, vertex, client):
        def whole(number: int) -> bool:
            name = create(client, f"number {number}").name
            return video_of(poll(client, name)) == default_video(name)

        with ThreadPoolExecutor(50) as pool:
            assert all(pool.map(whole, range(100)))


class TestStop:
    def test_cuts_hanging_requests_within_a_second(self):
        service = VertexImitation().start()
        client = client_of(service, timeout=20_000)

        def hang(_: int) -> type[BaseException]:
            with pytest.raises(httpx2.RemoteProtocolError) as info:
                create(client, "{{create:hang}}")
            return info.type

        with ThreadPoolExecutor(20) as pool:
            hanging = pool.map(hang, range(20))
            while len(service.records) < 20:
                time.sleep(0.01)
            before = time.monotonic()
            service.stop()
            assert time.monotonic() - before < 1
            assert len(list(hanging)) == 20

    def test_is_an_outage_that_a_start_ends(self, vertex, client):
        name = create(client).name
        port = vertex.port
        vertex.stop()
        with pytest.raises(httpx2.HTTPError):
            poll(client, name)
        vertex.start()
        assert vertex.port == port
        assert video_of(poll(client, name)) == default_video(name)
