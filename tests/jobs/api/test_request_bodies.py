"""Orders as a form and with images in JSON; what the errors of wrong requests say."""

import base64
import json
from time import process_time

import pytest

from tests.api import FORM, JOBS, assert_fault, assert_problem
from tests.uploads import picture

FORM_TYPE = "application/x-www-form-urlencoded"


def data_uri(file, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(file.read()).decode()}"


class TestForm:
    def test_order_as_a_form_and_as_json_are_one_order(self, client):
        body = "&".join(f"{name}={value}" for name, value in FORM.items()).replace(" ", "+")
        key = {"HTTP_IDEMPOTENCY_KEY": "k"}
        first = client.post(JOBS, body, content_type=FORM_TYPE, **key)
        again = client.post(JOBS, json.dumps(FORM), content_type="application/json", **key)
        assert (first.status_code, again.status_code) == (202, 202)
        assert again["Idempotency-Replayed"] == "true"

    @pytest.mark.usefixtures("nothing_happens")
    def test_truncated_form_is_refused(self, client):
        body = "&".join(f"{name}={value}" for name, value in reversed(FORM.items())).encode()
        answer = client.send(body, FORM_TYPE, length=len(body) + 9)
        assert assert_fault(answer, code="malformed")["detail"] == "The form is incomplete"

    @pytest.mark.usefixtures("nothing_happens")
    def test_unknown_field_of_a_form_is_refused(self, client):
        answer = client.send(b"duration=4", FORM_TYPE)
        assert answer.json()["errors"][0]["code"] == "unknown_field"


class TestDataURI:
    @pytest.mark.parametrize("header", ["data:image/png;base64,", "DATA:;charset=x;BASE64,"])
    def test_image_in_json_is_that_of_a_file(self, client, header):
        uri = header + data_uri(picture("PNG")).partition(",")[2]
        key = {"HTTP_IDEMPOTENCY_KEY": "k"}
        body = json.dumps(FORM | {"initialImage": uri})
        first = client.post(JOBS, body, content_type="application/json", **key)
        assert first.status_code == 202, first.content
        assert first.json()["inputs"]["initialImage"] is True
        again = client.create(headers={"idempotency-key": "k"}, initialImage=picture("PNG"))
        assert again["Idempotency-Replayed"] == "true"

    def test_data_uri_in_a_form_is_decoded(self, client):
        assert client.create(initialImage=data_uri(picture("PNG"))).status_code == 202

    def test_white_space_and_missing_padding_are_accepted(self, client):
        header, _, encoded = data_uri(picture("PNG")).partition(",")
        uri = f"{header},{encoded[:40]}\n {encoded[40:].rstrip('=')}"
        assert client.create_json(initialImage=uri).status_code == 202

    def test_reference_images_in_json_are_a_list(self, client):
        uris = [data_uri(picture(kind)) for kind in ("JPEG", "PNG", "WEBP")]
        assert client.create_json(referenceImages=uris).json()["inputs"]["referenceImages"] == 3

    @pytest.mark.usefixtures("nothing_happens")
    def test_wrong_value_is_refused(self, client):
        for value, message in (
            ("https://example.com/a.png", "must be an uploaded file, or a data URI"),
            ("data:image/png,abc", "must be a data URI in base64"),
            ("data:" + "x" * 300 + ";base64,", "must be a data URI in base64"),
            ("data:image/png;base64,@@@", "must be a data URI in base64"),
            ("data:image/png;base64,", "is an empty file"),
            ("data:image/png;base64,AAAA", "must be a JPEG, PNG or WebP image"),
            ("data:;base64," + "A" * 13_400_000, "must be at most 10 MB"),
            (7, "must be an uploaded file"),
        ):
            body = assert_fault(client.create_json(initialImage=value), field="initialImage")
            assert body["detail"].startswith(f"Initial image {message}")


@pytest.mark.usefixtures("nothing_happens")
class TestAdvice:
    @pytest.mark.parametrize(
        ("sent", "sentence"),
        [("text/plain", "Send {}, not 'text/plain'"), ("", "Send a Content-Type header: {}")],
    )
    def test_unsupported_media_type_names_those_supported(self, client, sent, sentence):
        answer = client.send(b"prompt", sent)
        body = assert_fault(answer, status=415, code="unsupported_media_type")
        kinds = f"'multipart/form-data', 'application/json' or '{FORM_TYPE}'"
        assert body["detail"] == sentence.format(kinds)

    def test_multipart_without_a_boundary_says_not_to_set_the_header(self, client):
        body = assert_fault(client.send(b"--x--", "multipart/form-data"), code="malformed")
        assert "do not set the Content-Type header yourself" in body["detail"]

    def test_unacceptable_response_names_what_there_is(self, client):
        answer = client.get(JOBS, headers={"accept": "text/html"})
        body = assert_problem(answer, 406, "not_acceptable")
        assert (
            body["detail"] == "The response is application/json: the Accept header must allow it."
        )

    @pytest.mark.parametrize("path", [JOBS, f"/{JOBS}"])
    def test_unknown_host_names_the_setting(self, client, path):
        answer = client.get(JOBS, PATH_INFO=path, headers={"host": "myapp.local"})
        body = assert_fault(answer, code="malformed")
        assert body["detail"].endswith("the operator can add it to ALLOWED_HOSTS")


@pytest.mark.slow
class TestCost:
    """Requests that took seconds: each is refused before its text is checked by character."""

    @pytest.mark.parametrize("field", ["prompt", "clientReference"])
    @pytest.mark.parametrize("text", ["x", " "])
    def test_text_of_many_megabytes_is_refused_quickly(self, client, field, text):
        started = process_time()
        answer = client.create_json(**{field: text * 15_000_000})
        assert assert_fault(answer, field=field)["errors"][0]["code"] == "max_length"
        assert process_time() - started < 1

    def test_object_of_very_many_names_is_refused_quickly(self, client):
        body = json.dumps({f"n{number}": 0 for number in range(250_000)}).encode()
        started = process_time()
        answer = client.send(body, "application/json")
        assert "at most 1,000 names" in assert_fault(answer, code="malformed")["detail"]
        assert process_time() - started < 0.5

    def test_chunked_login_is_refused(self, anonymous):
        answer = anonymous.post(
            "/api/v1/auth/token", {}, format="json", headers={"transfer-encoding": "chunked"}
        )
        assert_fault(answer, status=411, code="length_required")


class TestAnswers:
    def test_new_job_has_its_url_in_location(self, client):
        answer = client.create()
        assert answer["Location"] == f"http://testserver{JOBS}/{answer.json()['id']}"

    def test_order_shows_what_the_throttle_leaves(self, client, settings):
        answer = client.create()
        assert answer["RateLimit-Policy"] == '"create";q=60;w=60'
        assert answer["RateLimit"] == '"create";r=59;t=60'
        assert "RateLimit" not in client.get(JOBS)

    def test_download_ignores_accept(self, client, new_job):
        job = new_job("SUCCEEDED")
        path = f"{JOBS}/{job.pk}/download"
        assert client.get(path, headers={"accept": "video/mp4"}).status_code == 302

    def test_order_without_tokens_says_how_to_get_some(self, client, alice, tokens, settings):
        tokens(alice, 20)
        assert "help" not in client.create().json()
        settings.TOKENS_HELP = "Ask billing@example.com."
        answer = client.create()
        assert answer.status_code == 402
        assert answer.json()["help"] == "Ask billing@example.com."
