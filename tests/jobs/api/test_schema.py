"""The OpenAPI document and its page."""

import json
import re

import pytest
from django.core.management import call_command

from jobs import catalog
from jobs.api import openapi_views
from tests.job_states import STATES
from tests.jobs.api.test_retrieve import KEYS

pytestmark = [pytest.mark.once, pytest.mark.slow]

OTHERS = {"4XX", "5XX"}
OPERATIONS = {
    ("/api/v1/video-jobs", "post"): {
        *("202", "400", "401", "402", "403", "404", "413", "415", "422", "429", "503")
    },
    ("/api/v1/video-jobs/quote", "post"): {"200", "400", "401", "403", "413", "415", "429"},
    ("/api/v1/video-jobs", "get"): {"200", "400", "401"},
    ("/api/v1/video-jobs/{id}", "get"): {"200", "304", "400", "401", "404"},
    ("/api/v1/video-jobs/{id}", "patch"): {"200", "400", "401", "403", "404"},
    ("/api/v1/video-jobs/{id}", "delete"): {"204", "400", "401", "403", "404"},
    ("/api/v1/video-jobs/{id}/cancel", "post"): {"200", "400", "401", "403", "404", "409"},
    ("/api/v1/video-jobs/{id}/video", "delete"): {"200", "400", "401", "403", "404", "409"},
    ("/api/v1/video-jobs/{id}/download", "get"): {"200", "302", "400", "401", "404", "410"},
    ("/api/v1/video-models", "get"): {"200", "400"},
    ("/api/v1/webhook", "put"): {"200", "201", "400", "401", "403"},
    ("/api/v1/webhook", "get"): {"200", "400", "401", "404"},
    ("/api/v1/webhook", "delete"): {"204", "400", "401", "403", "404"},
    ("/api/v1/webhook/test", "post"): {"200", "400", "401", "403", "404", "409", "429"},
    ("/api/v1/webhook/deliveries", "get"): {"200", "400", "401", "404"},
    ("/api/v1/webhook/deliveries/{id}/replay", "post"): {
        *("202", "400", "401", "403", "404", "429")
    },
    ("/api/v1/webhook/rotate", "post"): {"200", "400", "401", "403", "404", "429"},
    ("/api/v1/tokens", "get"): {"200", "400", "401"},
    ("/api/v1/tokens/entries", "get"): {"200", "400", "401"},
    ("/api/v1/tokens/usage", "get"): {"200", "400", "401"},
    ("/api/v1/auth/register", "post"): {"201", "400", "403", "429"},
    ("/api/v1/auth/token", "post"): {"200", "400", "401", "429"},
    ("/api/v1/auth/token/refresh", "post"): {"200", "400", "401", "429"},
    ("/api/v1/auth/logout", "post"): {"204", "400", "401"},
    ("/api/v1/auth/me", "get"): {"200", "400", "401"},
    ("/api/v1/auth/me", "delete"): {"204", "400", "401", "403", "429"},
    ("/api/v1/auth/password", "post"): {"200", "400", "401", "403", "429"},
    ("/api/v1/auth/password/reset", "post"): {"204", "400", "404", "429"},
    ("/api/v1/auth/password/reset/confirm", "post"): {"204", "400", "404", "429"},
    ("/api/v1/keys", "post"): {"201", "400", "401", "403", "409", "429"},
    ("/api/v1/keys", "get"): {"200", "400", "401", "403"},
    ("/api/v1/keys/{id}", "delete"): {"204", "400", "401", "403", "404"},
    ("/v1/videos", "post"): {
        *("200", "400", "401", "402", "403", "404", "413", "415", "422", "429", "503")
    },
    ("/v1/videos", "get"): {"200", "400", "401"},
    ("/v1/videos/{id}", "get"): {"200", "400", "401", "404"},
    ("/v1/videos/{id}", "delete"): {"200", "400", "401", "403", "404"},
    ("/v1/videos/{id}/content", "get"): {"200", "302", "400", "401", "404", "409", "410"},
}

OPERATION_IDS = {
    *("register", "logIn", "refreshTokens", "logOut", "getAccount", "listVideoModels"),
    *("createVideoJob", "getVideoJob", "listVideoJobs", "cancelVideoJob", "deleteVideoJob"),
    *("updateVideoJob", "removeVideo", "quoteVideoJob"),
    *("deleteAccount", "changePassword", "requestPasswordReset", "resetPassword"),
    *("putWebhook", "getWebhook", "deleteWebhook", "rotateWebhookSecret", "testWebhook"),
    *("listWebhookDeliveries", "replayWebhookDelivery"),
    *("createApiKey", "listApiKeys", "revokeApiKey"),
    *("downloadVideo", "getTokens", "listTokenEntries", "getTokenUsage"),
    *("createOpenAIVideo", "getOpenAIVideo", "listOpenAIVideos", "downloadOpenAIVideo"),
    "deleteOpenAIVideo",
}
POLL = ("ETag", "Retry-After")
LIMITS = ("RateLimit", "RateLimit-Policy")
CREATED = {*POLL, *LIMITS, "Location", "Idempotency-Replayed"}
OPEN = {
    "VideoJob": {"status": "VideoJobStatus"},
    "VideoJobLogLine": {"level": "LogLevel"},
    "LedgerEntry": {"kind": "LedgerEntryKind"},
    "WebhookDelivery": {"status": "WebhookDeliveryStatus"},
}
NO_LOGIN = [f"/api/v1/auth/{name}" for name in ("token", "token/refresh", "logout")]


@pytest.fixture
def schema(anonymous):
    answer = anonymous.get("/api/v1/schema", headers={"accept": "application/json"})
    assert answer.status_code == 200
    return answer.json()


def operations(schema):
    return {
        (path, method): operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def end(reference):
    return reference["$ref"].rpartition("/")[2]


class TestSchema:
    def test_schema_is_valid_without_warnings(self, tmp_path):
        file = tmp_path / "schema.json"
        options = ["--validate", "--fail-on-warn", "--format=openapi-json"]
        call_command("spectacular", *options, file=str(file))
        assert json.loads(file.read_text())["openapi"].startswith("3.")

    def test_calls_are_in_the_order_of_their_use(self, schema):
        tags = [tag["name"] for tag in schema["tags"]]
        ours = ["auth", "keys", "video-models", "video-jobs", "webhook", "tokens"]
        assert tags == [*ours, "OpenAI format"]
        paths = [path.removeprefix("/api/v1/") for path in schema["paths"]]
        auth = [path.removeprefix("auth/") for path in paths if path.startswith("auth/")]
        assert auth[:5] == ["register", "token", "token/refresh", "me", "logout"]
        assert paths.index("video-models") < paths.index("video-jobs") < paths.index("tokens")
        assert list(schema["paths"]["/api/v1/video-jobs"]) == ["post", "get"]

    @pytest.mark.parametrize("kind", ["multipart/form-data", "application/json"])
    def test_each_field_of_an_order_has_an_example(self, schema, kind):
        create = operations(schema)["/api/v1/video-jobs", "post"]
        name = create["requestBody"]["content"][kind]["schema"]["$ref"].rpartition("/")[2]
        for field, said in schema["components"]["schemas"][name]["properties"].items():
            assert "example" in said or field in ("initialImage", "endFrame"), field

    def test_each_operation_has_descriptions_responses_and_examples(self, schema):
        assert set(operations(schema)) == set(OPERATIONS)
        for (path, method), operation in operations(schema).items():
            assert operation["summary"]
            assert operation["description"]
            assert all(each["description"] for each in operation.get("parameters", []))
            assert set(operation["responses"]) == OPERATIONS[path, method] | OTHERS, (path, method)
            needs_login = "401" in operation["responses"] and path not in NO_LOGIN
            assert operation["security"] == ([{"jwtAuth": []}] if needs_login else []), path
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            for body in [*bodies, *operation["responses"].values()]:
                for kind, content in body.get("content", {}).items():
                    is_video = content["schema"].get("format") == "binary"
                    assert content.get("examples") or is_video, (body, kind)
            assert all(answer["description"] for answer in operation["responses"].values())

    def test_examples_have_all_required_fields(self, schema):
        for operation in operations(schema).values():
            for answer in operation["responses"].values():
                for kind, content in answer.get("content", {}).items():
                    if kind != "application/json":
                        continue
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    required = schema["components"]["schemas"][name]["required"]
                    for example in content["examples"].values():
                        assert set(required) <= set(example["value"]), example

    def test_every_field_has_a_description(self, schema):
        for name, component in schema["components"]["schemas"].items():
            for field, said in component.get("properties", {}).items():
                assert said.get("description"), f"{name}.{field}"

    def test_schema_has_every_field_of_a_job(self, schema):
        job = schema["components"]["schemas"]["VideoJob"]
        assert set(job["properties"]) == KEYS
        assert set(job["required"]) == KEYS

    def test_order_is_json_or_multipart(self, schema):
        body = operations(schema)["/api/v1/video-jobs", "post"]["requestBody"]["content"]
        assert list(body) == ["application/json", "multipart/form-data"]
        names = [each["schema"]["$ref"].rpartition("/")[2] for each in body.values()]
        images = [schema["components"]["schemas"][name]["properties"] for name in names]
        assert [each["initialImage"].get("format") for each in images] == [None, "binary"]

    def test_account_fields_are_json(self, schema):
        for path, methods in schema["paths"].items():
            if "/auth/" in path and (body := methods.get("post", {}).get("requestBody")):
                assert set(body["content"]) == {"application/json"}

    def test_operation_ids_are_names_for_a_clients_code(self, schema):
        assert {each["operationId"] for each in operations(schema).values()} == OPERATION_IDS

    def test_enums_of_responses_allow_other_values(self, schema):
        components = schema["components"]["schemas"]
        for component, fields in OPEN.items():
            for field, enum in fields.items():
                one_of = components[component]["properties"][field]["anyOf"]
                assert one_of == [{"$ref": f"#/components/schemas/{enum}"}, {"type": "string"}]
                assert components[enum]["enum"]
        closed = {
            f"{name}.{field}"
            for name, component in components.items()
            for field, said in component.get("properties", {}).items()
            if not name.endswith("Request")
            if "enum" in str([components[end(each)] for each in said.get("allOf", [])])
        }
        assert closed == set()

    def test_model_is_any_text(self, schema):
        for name in ("CreateVideoJobRequest", "CreateVideoJobMultipartRequest"):
            model = schema["components"]["schemas"][name]["properties"]["model"]
            assert (model["type"], "enum" in model) == ("string", False)
            assert model["x-extensible-enum"] == list(catalog.MODELS)

    def test_values_that_are_no_words_have_names_of_constants(self, schema):
        names = [
            name
            for component in ("Resolution", "AspectRatio", "DurationSeconds")
            for name in schema["components"]["schemas"][component]["x-enum-varnames"]
        ]
        assert names == [
            *("RESOLUTION_720P", "RESOLUTION_1080P", "ASPECT_RATIO_16_9", "ASPECT_RATIO_9_16"),
            *("DURATION_SECONDS_4", "DURATION_SECONDS_6", "DURATION_SECONDS_8"),
        ]

    @pytest.mark.parametrize(("default", "required"), [(None, True), (True, False)])
    def test_mock_mode_is_required_unless_a_default_is_set(self, settings, default, required):
        settings.VIDEO_DEFAULT_MOCK_MODE = default
        schema = json.loads(openapi_views._generate()["json"].body)
        for name in ("CreateVideoJobRequest", "CreateVideoJobMultipartRequest"):
            fields = schema["components"]["schemas"][name]["required"]
            assert ("mockMode" in fields) == required

    def test_fields_have_no_keywords_that_generators_misread(self, schema):
        used = {
            keyword
            for component in schema["components"]["schemas"].values()
            for said in component.get("properties", {}).values()
            for keyword in said
        }
        assert "example" in used
        assert not used & {"readOnly", "writeOnly", "default"}

    def test_known_error_codes_are_listed(self, schema):
        code = schema["components"]["schemas"]["Problem"]["properties"]["code"]
        assert {"throttled", "unavailable", "invalid"} <= set(code["x-extensible-enum"])
        assert "enum" not in code

    def test_idempotency_key_has_its_limits(self, schema):
        create = operations(schema)["/api/v1/video-jobs", "post"]["parameters"]
        [key] = [each for each in create if each["name"] == "Idempotency-Key"]
        pattern = key["schema"]["pattern"]
        assert all(re.search(pattern, good) for good in ("a", "!" * 255))
        assert not any(re.search(pattern, bad) for bad in ("", "a b", "ä", "a" * 256))
        assert key["schema"]["maxLength"] == 255

    def test_nullable_has_a_type(self, schema):
        def check(node):
            if isinstance(node, dict):
                assert "nullable" not in node or "type" in node, node
            for each in node.values() if isinstance(node, dict) else node:
                if isinstance(each, dict | list):
                    check(each)

        check(schema)

    def test_request_headers_are_described(self, schema):
        create = operations(schema)["/api/v1/video-jobs", "post"]["parameters"]
        retrieve = operations(schema)["/api/v1/video-jobs/{id}", "get"]["parameters"]
        assert "Idempotency-Key" in {each["name"] for each in create}
        assert "If-None-Match" in {each["name"] for each in retrieve}

    def test_response_headers_are_described(self, schema):
        for path, method, status, names in (
            ("/api/v1/video-jobs", "post", "202", CREATED),
            ("/api/v1/video-jobs", "post", "429", {"Retry-After", *LIMITS}),
            ("/api/v1/video-jobs/{id}", "get", "200", {"ETag", "Retry-After"}),
            ("/api/v1/video-jobs/{id}", "get", "304", {"ETag", "Retry-After"}),
            ("/api/v1/video-jobs/{id}", "patch", "200", {"ETag", "Retry-After"}),
            ("/api/v1/video-jobs/{id}/download", "get", "302", {"Location"}),
            ("/api/v1/auth/token", "post", "429", {"Retry-After", *LIMITS}),
        ):
            headers = operations(schema)[path, method]["responses"][status]["headers"]
            assert set(headers) == names | {"X-Request-ID"}
            if "Retry-After" in headers:
                assert headers["Retry-After"]["schema"]["type"] == "integer"

    def test_answers_have_the_described_types(self, client, new_job, schema, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        properties = schema["components"]["schemas"]["VideoJob"]["properties"]
        for state in reversed(STATES):
            for name, value in client.job(new_job(state)).items():
                said = properties[name]
                if value is None:
                    assert said.get("nullable"), name
                elif "type" in said:
                    assert isinstance(value, TYPES[said["type"]]), name


TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}
