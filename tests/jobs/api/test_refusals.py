"""Refused orders: the sentence of each refusal, and the order of the checks."""

import json
from dataclasses import replace
from typing import Any

import pytest

from jobs import catalog
from jobs.models import VideoJob
from tests.api import FORM, JOBS, Client, assert_fault, assert_problem, limited
from tests.uploads import picture

LITE = "veo-3.1-lite-generate-001"
RESOLUTION = "Resolution must be '720p' or '1080p'"
RATIO = "Aspect ratio must be '16:9' or '9:16'"
DURATION = "Duration must be 4, 6 or 8 seconds"
SEED = "Seed must be a whole number from 0 to 4294967295, digits only"
pytestmark = pytest.mark.once

MODEL = (
    "Model must be 'veo-3.1-fast-generate-preview', 'veo-3.1-generate-preview', "
    "'veo-3.1-fast-generate-001', 'veo-3.1-generate-001' or 'veo-3.1-lite-generate-001'"
)
MOCK = "Mock mode must be 'true' or 'false'"
AUDIO = "Generate audio must be 'true' or 'false'"

WRONG: list[tuple[str, str, list[Any]]] = [
    ("resolution", RESOLUTION, ["", "720P", "4k", " 720p"]),
    ("aspectRatio", RATIO, ["", "1:1", "16:9 "]),
    ("model", MODEL, ["", "VEO-3.1-GENERATE-PREVIEW", "veo-3.1\0"]),
    ("durationSeconds", DURATION, ["0", "5", "-8", "8.5", "abc", "٨"]),
    ("mockMode", MOCK, ["", "1", "truee"]),
    ("generateAudio", AUDIO, ["1", "nein"]),
    ("seed", SEED, ["-1", "+1", "1.0", "1e3", "0x1", " 1", "٨", "4294967296"]),
]
NO_TEXT: list[Any] = [None, True, 720, 1.5, ["720p"], {"a": "720p"}]
NO_BOOLEAN: list[Any] = [None, 1, "", [True], {}, "null"]
WRONG_JSON: list[tuple[str, str, list[Any]]] = [
    ("resolution", RESOLUTION, NO_TEXT),
    ("aspectRatio", RATIO, NO_TEXT),
    ("model", MODEL, NO_TEXT),
    ("durationSeconds", DURATION, [True, 0, 5, 8.5, 10**300, 1e300, "", [8], {"a": 8}]),
    ("mockMode", MOCK, NO_BOOLEAN),
    ("generateAudio", AUDIO, NO_BOOLEAN[1:]),
    ("prompt", "Prompt must be text", NO_TEXT[1:]),
    ("negativePrompt", "Negative prompt must be text", NO_TEXT[1:]),
    ("seed", SEED,
     [True, -1, 1.0, 1e3, 2**32, 10**300, "", "1.0", "+1", "1\n", [1], {"a": 1}]),
]  # fmt: skip


@pytest.mark.usefixtures("nothing_happens")
class TestField:
    @pytest.mark.parametrize(("field", "sentence", "values"), WRONG)
    def test_invalid_form_value_is_refused(self, client, field, sentence, values):
        for value in values:
            body = assert_fault(client.create(**{field: value}), field=field)
            assert (body["detail"], len(body["errors"])) == (sentence, 1), value

    @pytest.mark.parametrize(("field", "sentence", "values"), WRONG_JSON)
    def test_invalid_json_value_is_refused(self, client, field, sentence, values):
        for value in values:
            body = assert_fault(client.create_json(**{field: value}), field=field)
            assert body["detail"] == sentence, value

    def test_all_invalid_fields_are_reported_in_order(self, client):
        answer = client.create(
            model="veo", resolution="4k", aspectRatio=None, durationSeconds=5, mockMode="1"
        )
        body = assert_fault(answer, field="model")
        assert [each["field"] for each in body["errors"]] == [
            *("model", "resolution", "aspectRatio", "durationSeconds", "mockMode")
        ]
        assert [each["message"] for each in body["errors"]] == [
            *(MODEL, RESOLUTION, "Aspect ratio is required", DURATION, MOCK)
        ]

    def test_empty_body_reports_every_required_field(self, client):
        for answer in (
            client.post(JOBS),
            client.post(JOBS, {}, format="multipart"),
            client.create_json("{}"),
        ):
            body = assert_fault(answer, field="model")
            assert [each["message"] for each in body["errors"]] == [
                *("Model is required", "Resolution is required"),
                *("Aspect ratio is required", "Mock mode is required"),
            ]

    def test_image_that_is_no_file_is_refused(self, client):
        for answer in (
            client.create(initialImage="a.jpg"),
            client.create_json(initialImage="aGVsbG8="),
            client.create_json(initialImage={"url": "http://169.254.169.254/"}),
        ):
            body = assert_fault(answer, field="initialImage")
            assert body["detail"].startswith(
                "Initial image must be an uploaded file, or a data URI"
            )

    def test_reference_images_that_are_no_files_are_refused(self, client):
        values: list[Any] = ["a.jpg", {"a": 1}, ["a.jpg"], [None], [[]]]
        for value in values:
            assert_fault(client.create_json(referenceImages=value), field="referenceImages")


@pytest.mark.usefixtures("nothing_happens")
class TestPrompt:
    def test_order_without_prompt_and_image_is_refused(self, client):
        sentence = "Either a prompt or an initial image is required"
        for prompt in (None, "", "  ", "\n"):
            assert assert_fault(client.create(prompt=prompt), field="prompt")["detail"] == sentence
        answer = client.create_json(prompt=None)
        assert assert_fault(answer, field="prompt")["detail"] == sentence

    def test_prompt_over_4000_characters_is_refused(self, client):
        for prompt in ("🎬" * 4001, "x " * 2001 + "y"):
            for answer in (client.create(prompt=prompt), client.create_json(prompt=prompt)):
                body = assert_fault(answer, field="prompt")
                assert body["detail"] == "Prompt must be at most 4,000 characters"

    def test_control_character_is_refused(self, client):
        for code in (0, 8, 11, 12, 14, 31, 127, 159):
            for prompt in (f"a{chr(code)}b", chr(code), f"a{chr(code)}"):
                body = assert_fault(client.create_json(prompt=prompt), field="prompt")
                assert body["detail"] == "Prompt must not contain control characters"
            assert_fault(client.create(prompt=f"a{chr(code)}b"), field="prompt")
            with_image = client.create(prompt=chr(code), initialImage=picture())
            assert_fault(with_image, field="prompt")

    def test_negative_prompt_is_refused_like_a_prompt(self, client):
        for text, sentence in (
            ("x" * 4_001, "Negative prompt must be at most 4,000 characters"),
            ("a\0b", "Negative prompt must not contain control characters"),
        ):
            body = assert_fault(client.create_json(negativePrompt=text), field="negativePrompt")
            assert body["detail"] == sentence

    def test_lone_surrogate_is_refused(self, client):
        for escape in (r"\ud800", r"a\udfff", r"\udc00\ud800"):
            text = json.dumps(FORM | {"prompt": "HERE"}).replace("HERE", escape)
            assert_fault(client.create_json(text), field="prompt")


@pytest.mark.usefixtures("nothing_happens")
class TestCombination:
    def test_combination_that_veo_refuses_is_refused(self, client):
        for asked, field, sentence in (
            (
                {"resolution": "1080p", "durationSeconds": 6},
                "durationSeconds",
                "1080p videos must be 8 seconds long",
            ),
            (
                {"initialImage": 1, "endFrame": 1, "durationSeconds": 6},
                "durationSeconds",
                "Videos with an end frame must be 8 seconds long",
            ),
            (
                {"referenceImages": 1, "durationSeconds": 6},
                "durationSeconds",
                "Videos with reference images must be 8 seconds long",
            ),
            (
                {"referenceImages": 1, "negativePrompt": "rain"},
                "negativePrompt",
                "A negative prompt cannot be combined with reference images",
            ),
            (
                {"endFrame": 1},
                "endFrame",
                "An end frame needs an initial image as well",
            ),
            (
                {"initialImage": 1, "referenceImages": 1},
                "referenceImages",
                "Reference images cannot be combined with an initial image or an end frame",
            ),
            ({"referenceImages": 4}, "referenceImages", "At most 3 reference images are allowed"),
            (
                {"referenceImages": 2, "aspectRatio": "9:16"},
                "aspectRatio",
                "Videos with reference images must have aspect ratio '16:9'",
            ),
            (
                {"referenceImages": 1, "model": LITE},
                "referenceImages",
                f"Model '{LITE}' does not take reference images",
            ),
        ):
            body = assert_fault(client.create(**pictures(asked)), field=field)
            assert [each["message"] for each in body["errors"]] == [sentence]

    @pytest.mark.parametrize(
        ("name", "value", "what"),
        [("negativePrompt", "rain", "a negative prompt"), ("seed", "0", "a seed")],
    )
    def test_field_that_the_model_does_not_take_is_refused(
        self, client, monkeypatch, name, value, what
    ):
        takes_less = replace(catalog.MODELS[LITE], negative_prompt=False, seed=False)
        monkeypatch.setitem(catalog.MODELS, LITE, takes_less)
        body = assert_fault(client.create(model=LITE, **{name: value}), field=name)
        assert body["detail"] == f"Model '{LITE}' does not take {what}"

    def test_reference_images_without_a_prompt_are_refused(self, client):
        body = assert_fault(
            client.create(prompt=None, **pictures({"referenceImages": 1})), field="prompt"
        )
        assert "Reference images need a prompt" in [each["message"] for each in body["errors"]]

    def test_every_broken_rule_is_reported(self, client):
        asked = {"initialImage": 1, "referenceImages": 2, "aspectRatio": "9:16"}
        answer = client.create(durationSeconds=4, model=LITE, **pictures(asked))
        fields = [each["field"] for each in assert_fault(answer, field="referenceImages")["errors"]]
        assert sorted(fields) == [
            *("aspectRatio", "durationSeconds", "referenceImages", "referenceImages")
        ]


def pictures(asked):
    """`asked` with uploads where it counts images."""
    made = {}
    for name, value in asked.items():
        if name in ("initialImage", "endFrame"):
            made[name] = picture()
        elif name == "referenceImages":
            made[name] = [picture() for _ in range(value)]
        else:
            made[name] = value
    return made


class TestCombinationThatVeoTakes:
    def test_combination_that_veo_accepts_is_accepted(self, client, many):
        for asked in (
            {"initialImage": 1, "durationSeconds": 4},
            {"initialImage": 1, "endFrame": 1, "aspectRatio": "9:16", "resolution": "1080p"},
            {"referenceImages": 3, "resolution": "1080p"},
            {"referenceImages": 1, "generateAudio": "true"},
            {"initialImage": 1, "endFrame": 1, "model": LITE},
            {"durationSeconds": 4, "aspectRatio": "9:16"},
            {"durationSeconds": 6, "initialImage": 1, "negativePrompt": "rain", "seed": "0"},
            {"referenceImages": 1, "seed": "4294967295"},
            {"durationSeconds": 6, "negativePrompt": "rain", "seed": "7", "model": LITE},
        ):
            assert client.create(**pictures(asked)).status_code == 202, asked


@pytest.mark.usefixtures("nothing_happens")
class TestRealVideo:
    def test_real_video_without_google_account_is_refused(self, client):
        for answer in (client.create(mockMode="false"), client.create_json(mockMode=False)):
            assert answer.status_code == 400
            body = answer.json()
            assert body["code"] == "provider.not_configured"
            assert body["field"] == "mockMode"
            assert body["detail"] == body["errors"][0]["message"]
            assert "'true'" in body["detail"]


class TestRealVideoThatIsSetUp:
    def test_real_video_is_accepted_with_key_or_project(self, client, settings):
        for key, project in (("acme-7", ""), ("", "acme-7")):
            settings.GOOGLE_API_KEY, settings.GOOGLE_CLOUD_PROJECT = key, project
            answer = client.create(mockMode="false")
            assert answer.status_code == 202
            assert answer.json()["mockMode"] is False
            assert "acme-7" not in answer.text


class TestOrderOfChecks:
    """Authentication, throttle, form, tokens, active jobs."""

    def test_authentication_comes_first(self, anonymous, settings):
        limited(settings, "1/min")
        for _ in range(3):
            assert_problem(anonymous.send(b"{", "application/json"), 401, "not_authenticated")

    def test_throttle_counts_malformed_requests(self, client, settings):
        limited(settings, "1/min")
        assert_fault(client.send(b"{", "application/json"), code="malformed")
        answer = client.send(b"{", "application/json")
        assert_problem(answer, 429, "throttled")
        assert answer["Retry-After"] == "60"

    def test_fields_then_tokens_then_active_jobs_are_checked(self, client, alice, tokens, new_job):
        for _ in range(3):
            new_job()
        tokens(alice, 0)
        assert_fault(client.create(resolution="4k"), field="resolution")
        assert client.create().status_code == 402
        tokens(alice, 50)
        assert_problem(client.create(), 429, "too_many_active_jobs")


class TestThrottle:
    def test_creates_are_counted_for_each_user(self, client, stranger, settings):
        limited(settings, "1/min")
        assert client.create().status_code == 202
        assert_problem(client.create(), 429, "throttled")
        assert [client.get(JOBS).status_code for _ in range(3)] == [200] * 3
        assert stranger.create().status_code == 202
        assert VideoJob.objects.count() == 2

    def test_cancel_and_delete_are_not_throttled(self, client: Client, settings, new_job):
        limited(settings, "1/min")
        job = new_job()
        assert client.create().status_code == 202
        assert client.post(f"{JOBS}/{job.pk}/cancel").status_code == 200
        assert client.delete(f"{JOBS}/{job.pk}").status_code == 204
