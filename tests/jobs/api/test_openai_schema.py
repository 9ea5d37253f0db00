"""/v1/videos in the OpenAPI document: its own tag, and OpenAI's shapes."""

import json
from typing import Any

import pytest

from jobs.api.openai_serializers import SIZES
from jobs.api.openapi_views import documents
from jobs.models import Status
from tests.api import ID

pytestmark = pytest.mark.once

VIDEOS = "/v1/videos"


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(documents()["json"].body)


def operations(schema: Any, *, openai: bool) -> list[Any]:
    return [
        operation
        for path, methods in schema["paths"].items()
        for operation in methods.values()
        if path.startswith(VIDEOS) == openai
    ]


def errors_of(operation: Any) -> dict[str, Any]:
    return {
        status: response["content"]["application/json"]
        for status, response in operation["responses"].items()
        if status >= "4"
    }


def component(schema: Any, name: str) -> Any:
    return schema["components"]["schemas"][name]["properties"]


def test_it_has_a_tag_of_its_own(schema):
    assert {name for each in operations(schema, openai=True) for name in each["tags"]} == {
        "OpenAI format"
    }
    ours = {name for each in operations(schema, openai=False) for name in each["tags"]}
    assert "OpenAI format" not in ours


def test_every_error_has_openais_form_and_ours_do_not(schema):
    for operation in operations(schema, openai=True):
        for content in errors_of(operation).values():
            assert content["schema"] == {"$ref": "#/components/schemas/OpenAIError"}
            for example in content["examples"].values():
                assert set(example["value"]) == {"error"}
                assert set(example["value"]["error"]) == {"message", "type", "param", "code"}
    for operation in operations(schema, openai=False):
        assert "OpenAIError" not in json.dumps(operation)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data"])
def test_order_has_openais_fields_and_our_own(schema, kind):
    body = schema["paths"][VIDEOS]["post"]["requestBody"]["content"][kind]
    name = body["schema"]["$ref"].rpartition("/")[2]
    fields = component(schema, name)
    assert {"prompt", "model", "size", "seconds", "input_reference"} < set(fields)
    assert {"mockMode", "private", "seed", "negativePrompt", "endFrame"} < set(fields)
    assert not {"durationSeconds", "initialImage"} & set(fields)
    assert schema["components"]["schemas"]["Size"]["enum"] == list(SIZES)
    assert schema["components"]["schemas"]["Seconds"]["enum"] == ["4", "6", "8"]
    is_file = fields["input_reference"].get("format") == "binary"
    assert is_file == (kind == "multipart/form-data")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data"])
def test_example_of_an_order_is_accepted(schema, program, kind):
    body = schema["paths"][VIDEOS]["post"]["requestBody"]["content"][kind]
    for example in body["examples"].values():
        answer = program().post(
            VIDEOS, example["value"], format="json" if "json" in kind else "multipart"
        )
        assert answer.status_code == 200, answer.content


def test_answers_have_the_described_fields(schema, program, new_job):
    id = str(new_job(Status.FAILED).pk)
    answers = {
        "OpenAIVideo": program().get(f"{VIDEOS}/{id}"),
        "OpenAIVideoList": program().get(VIDEOS),
        "OpenAIDeletedVideo": program().delete(f"{VIDEOS}/{id}"),
        "OpenAIError": program().get(f"{VIDEOS}/{ID}"),
    }
    for name, answer in answers.items():
        assert set(answer.json()) == set(component(schema, name)), name
    error = answers["OpenAIVideo"].json()["error"]
    assert set(error) == set(component(schema, "OpenAIVideo")["error"]["properties"])
    examples = schema["paths"][VIDEOS]["get"]["responses"]["400"]["content"]["application/json"]
    [shown] = examples["examples"].values()
    refused = program().get(f"{VIDEOS}?after={ID}").json()
    assert refused == shown["value"]
