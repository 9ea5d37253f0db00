"""The examples in the OpenAPI document are what the service takes and sends."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.db import OperationalError
from django.utils import timezone
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken

from jobs import model_availability
from jobs.api.openapi_views import documents
from jobs.providers import mock
from tests.api import JOBS, PASSWORD

pytestmark = [pytest.mark.once, pytest.mark.slow]

AUTH = "/api/v1/auth"
BOB = {"username": "bob", "password": PASSWORD}
CAROL = {"username": "alice", "email": "carol@example.com", "password": PASSWORD}
HEADERS = {"Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"}
METHOD = ("4XX", "MethodNotAllowed")
SESSION, READ_ONLY = ("403", "SessionRequired"), ("403", "ReadOnlyKey")
DOWN = ("5XX", "Unavailable")
UNKNOWN = ("400", "Invalid")
NO_TOKEN = ("401", "NotAuthenticated")
BAD_TOKEN = ("401", "TokenNotValid")


@cache
def document() -> Any:
    return json.loads(documents()["json"].body)


def shown() -> Iterator[tuple[str, str, str, str, str, Any]]:
    """The operation, method, path, status, name and body of each example of an error.

    `test_openai_schema` has those of the OpenAI format.
    """
    for path, methods in document()["paths"].items():
        if not path.startswith("/api/"):
            continue
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json", {})
                for name, example in content.get("examples", {}).items():
                    if status >= "4":
                        value = example["value"]
                        yield operation["operationId"], method, path, status, name, value


def described_headers(operation_id: str, status: str) -> set[str]:
    return set(operation_of(operation_id)["responses"][status]["headers"])


def example(operation: str, status: str, name: str) -> Any:
    [found] = [each[5] for each in shown() if (each[0], *each[3:5]) == (operation, status, name)]
    return found


def operation_of(operation_id: str) -> Any:
    [found] = [
        operation
        for methods in document()["paths"].values()
        for operation in methods.values()
        if operation["operationId"] == operation_id
    ]
    return found


def request_of(operation_id: str) -> Any:
    return operation_of(operation_id)["requestBody"]["content"]


def job_example(status: str) -> Any:
    content = operation_of("getVideoJob")["responses"]["200"]["content"]["application/json"]
    [job] = [
        each["value"] for each in content["examples"].values() if each["value"]["status"] == status
    ]
    return job


@pytest.fixture
def world(client, stranger, anonymous, new_job, settings, tokens, alice):
    expired = AccessToken.for_user(alice)
    expired.set_exp(lifetime=-timedelta(seconds=1))
    return SimpleNamespace(
        alice=client,
        bob=stranger,
        anonymous=anonymous,
        new_job=new_job,
        settings=settings,
        expired=expired,
        set_balance=lambda amount: tokens(alice, amount),
    )


def post(world: Any, path: str, fields: Any) -> Any:
    return world.anonymous.post(f"{AUTH}/{path}", fields, format="json")


def closed(world: Any) -> Any:
    world.settings.REGISTRATION_OPEN = False
    return post(world, "register", CAROL)


def spent(world: Any, path: str) -> Any:
    pair = post(world, "token", BOB).json()
    body = {"refresh": pair["refresh"]}
    assert post(world, "logout", body).status_code == 204
    return post(world, path, body)


def throttled(world: Any, call: Callable[[], Any]) -> Any:
    rates = {"auth": "20/min", "login_name": "10/min", "create": "60/min"}
    rates |= {"webhook_test": "10/min", "webhook_rotate": "5/day", "webhook_replay": "60/min"}
    rates |= {"new_key": "60/hour", "quote": "120/min"}
    world.settings.REST_FRAMEWORK = configured.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}
    while (answer := call()).status_code != 429 or answer.json()["code"] != "throttled":
        pass
    return answer


def short_of_tokens(world: Any) -> Any:
    world.set_balance(20)
    return world.alice.create()


def deleted(world: Any) -> Any:
    key = {"Idempotency-Key": "one"}
    job = world.alice.create(headers=key).json()
    world.alice.delete(f"{JOBS}/{job['id']}")
    return world.alice.create(headers=key)


def key_used_twice(world: Any) -> Any:
    key = {"Idempotency-Key": "one"}
    world.alice.create(headers=key)
    return world.alice.create(headers=key, prompt="Something else")


def too_many(world: Any) -> Any:
    for _ in range(3):
        world.alice.create()
    return world.alice.create()


def model_unavailable(world: Any) -> Any:
    world.settings.GOOGLE_API_KEY = "test-google-key"
    now = timezone.now()
    model_availability.close(google_id="veo-3.1-generate-001", cause="404", now=now)
    return world.alice.create(mockMode="false", model="veo-3.1-generate-preview")


def wrong_names(world: Any, path: str = JOBS) -> Any:
    order: dict[str, Any] = {"aspect_ratio": "16:9", "resolution": "480p"}
    order |= {"model": "veo-3.1-fast-generate-preview", "prompt": "A kite", "mockMode": True}
    return world.alice.post(path, order, format="json")


def with_webhook(world: Any) -> Any:
    world.settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    world.alice.put(WEBHOOK, {"url": "http://127.0.0.1:9/"}, format="json")  # nobody listens
    return world.alice


def unreadable(world: Any) -> Any:
    alice = with_webhook(world)
    world.settings.SECRET_KEY = "another key of the operator's, also only for this test"
    return alice.post(f"{WEBHOOK}/test")


def with_mail(world: Any) -> Any:
    world.settings.EMAIL_URL = "memorymail:"
    return world


def too_many_keys(world: Any) -> Any:
    answers = [world.alice.post("/api/v1/keys", {"name": "n"}, format="json") for _ in range(21)]
    return answers[-1]


WEBHOOK = "/api/v1/webhook"
WRONG = {"currentPassword": "wrong", "newPassword": "a new and long password"}
STRANGE = f"{JOBS}/550e8400-e29b-41d4-a716-446655440000"


def without_its_video(world: Any) -> Any:
    job = f"{JOBS}/{world.new_job('SUCCEEDED').pk}"
    world.alice.delete(f"{job}/video")
    return world.alice.get(f"{job}/download")


CALLS: dict[tuple[str, str, str], Callable[[Any], Any]] = {
    ("register", "400", "Invalid"): lambda world: post(world, "register", CAROL),
    ("register", "403", "RegistrationClosed"): closed,
    ("register", "429", "Throttled"): lambda world: throttled(
        world, lambda: post(world, "register", CAROL)
    ),
    ("logIn", "400", "Invalid"): lambda world: post(world, "token", {"password": PASSWORD}),
    ("logIn", "401", "NoActiveAccount"): lambda world: post(
        world, "token", BOB | {"password": "wrong"}
    ),
    ("logIn", "429", "Throttled"): lambda world: throttled(
        world, lambda: post(world, "token", BOB)
    ),
    ("refreshTokens", "400", "Invalid"): lambda world: post(world, "token/refresh", {}),
    ("refreshTokens", "401", "TokenNotValid"): lambda world: spent(world, "token/refresh"),
    ("refreshTokens", "429", "Throttled"): lambda world: throttled(
        world, lambda: post(world, "token/refresh", {})
    ),
    ("logOut", "400", "Invalid"): lambda world: post(world, "logout", {}),
    ("logOut", "401", "TokenNotValid"): lambda world: spent(world, "logout"),
    ("changePassword", "400", "Invalid"): lambda world: world.alice.post(
        f"{AUTH}/password", WRONG, format="json"
    ),
    ("changePassword", "429", "Throttled"): lambda world: throttled(
        world, lambda: world.alice.post(f"{AUTH}/password", WRONG, format="json")
    ),
    ("createApiKey", "400", "Invalid"): lambda world: world.alice.post(
        "/api/v1/keys", {}, format="json"
    ),
    ("requestPasswordReset", "400", "Invalid"): lambda world: post(
        with_mail(world), "password/reset", {"email": "nobody"}
    ),
    ("resetPassword", "400", "Invalid"): lambda world: post(
        with_mail(world),
        "password/reset/confirm",
        {"token": "a-b", "newPassword": WRONG["newPassword"]},
    ),
    ("requestPasswordReset", "404", "NotFound"): lambda world: post(world, "password/reset", {}),
    ("requestPasswordReset", "429", "Throttled"): lambda world: throttled(
        world, lambda: post(with_mail(world), "password/reset", {})
    ),
    ("resetPassword", "404", "NotFound"): lambda world: post(world, "password/reset/confirm", {}),
    ("resetPassword", "429", "Throttled"): lambda world: throttled(
        world, lambda: post(with_mail(world), "password/reset/confirm", {})
    ),
    ("deleteAccount", "400", "Invalid"): lambda world: world.alice.delete(
        f"{AUTH}/me", {"password": "wrong"}, format="json"
    ),
    ("deleteAccount", "429", "Throttled"): lambda world: throttled(
        world, lambda: world.alice.delete(f"{AUTH}/me", {"password": "wrong"}, format="json")
    ),
    ("createApiKey", "409", "TooManyKeys"): too_many_keys,
    ("createApiKey", "429", "Throttled"): lambda world: throttled(
        world, lambda: world.alice.post("/api/v1/keys", {"name": "n"}, format="json")
    ),
    ("revokeApiKey", "404", "NotFound"): lambda world: world.alice.delete(
        "/api/v1/keys/550e8400-e29b-41d4-a716-446655440000"
    ),
    ("createVideoJob", "400", "Invalid"): wrong_names,
    ("createVideoJob", "402", "InsufficientTokens"): short_of_tokens,
    ("createVideoJob", "404", "NotFound"): deleted,
    ("createVideoJob", "413", "TooLarge"): lambda world: world.alice.send(
        b"", "multipart/form-data; boundary=x", length=60_000_001
    ),
    ("createVideoJob", "415", "UnsupportedMediaType"): lambda world: world.alice.send(
        b"A kite", "text/plain"
    ),
    ("createVideoJob", "422", "IdempotencyMismatch"): key_used_twice,
    ("createVideoJob", "503", "ModelUnavailable"): model_unavailable,
    ("createVideoJob", "429", "TooManyActiveJobs"): too_many,
    ("createVideoJob", "429", "Throttled"): lambda world: throttled(world, world.alice.create),
    ("quoteVideoJob", "400", "Invalid"): lambda world: wrong_names(world, f"{JOBS}/quote"),
    ("quoteVideoJob", "413", "TooLarge"): lambda world: world.alice.send(
        b"", "multipart/form-data; boundary=x", length=60_000_001, path=f"{JOBS}/quote"
    ),
    ("quoteVideoJob", "415", "UnsupportedMediaType"): lambda world: world.alice.send(
        b"A kite", "text/plain", path=f"{JOBS}/quote"
    ),
    ("quoteVideoJob", "429", "Throttled"): lambda world: throttled(world, world.alice.quote),
    ("listVideoJobs", "400", "Invalid"): lambda world: world.alice.get(
        f"{JOBS}?status=RUNNING&limit=1000"
    ),
    ("getVideoJob", "404", "NotFound"): lambda world: world.alice.get(STRANGE),
    ("updateVideoJob", "400", "Invalid"): lambda world: world.alice.patch(
        f"{JOBS}/{world.new_job().pk}", {"private": "hidden"}, format="json"
    ),
    ("updateVideoJob", "404", "NotFound"): lambda world: world.alice.patch(
        STRANGE, {"private": True}, format="json"
    ),
    ("deleteVideoJob", "404", "NotFound"): lambda world: world.alice.delete(STRANGE),
    ("downloadVideo", "404", "NotFound"): lambda world: world.alice.get(f"{STRANGE}/download"),
    ("downloadVideo", "400", "NotReady"): lambda world: world.alice.get(
        f"{JOBS}/{world.new_job().pk}/download"
    ),
    ("downloadVideo", "410", "VideoRemoved"): without_its_video,
    ("removeVideo", "404", "NotFound"): lambda world: world.alice.delete(
        f"{JOBS}/{world.new_job('FAILED').pk}/video"
    ),
    ("removeVideo", "409", "NotReady"): lambda world: world.alice.delete(
        f"{JOBS}/{world.new_job().pk}/video"
    ),
    ("cancelVideoJob", "404", "NotFound"): lambda world: world.alice.post(f"{STRANGE}/cancel"),
    ("cancelVideoJob", "409", "AlreadyFinished"): lambda world: world.alice.post(
        f"{JOBS}/{world.new_job('SUCCEEDED').pk}/cancel"
    ),
    ("putWebhook", "400", "Invalid"): lambda world: world.alice.put(
        WEBHOOK, {"url": "http://client.example.org/hooks"}, format="json"
    ),
    ("getWebhook", "404", "NotFound"): lambda world: world.alice.get(WEBHOOK),
    ("deleteWebhook", "404", "NotFound"): lambda world: world.alice.delete(WEBHOOK),
    ("rotateWebhookSecret", "404", "NotFound"): lambda world: world.alice.post(f"{WEBHOOK}/rotate"),
    ("testWebhook", "404", "NotFound"): lambda world: world.alice.post(f"{WEBHOOK}/test"),
    ("testWebhook", "409", "SecretUnreadable"): unreadable,
    ("testWebhook", "429", "Throttled"): lambda world: throttled(
        world, lambda: with_webhook(world).post(f"{WEBHOOK}/test")
    ),
    ("rotateWebhookSecret", "429", "Throttled"): lambda world: throttled(
        world, lambda: with_webhook(world).post(f"{WEBHOOK}/rotate")
    ),
    ("replayWebhookDelivery", "429", "Throttled"): lambda world: throttled(
        world, lambda: world.alice.post(f"{WEBHOOK}/deliveries/{uuid4()}/replay")
    ),
    ("listWebhookDeliveries", "404", "NotFound"): lambda world: world.alice.get(
        f"{WEBHOOK}/deliveries"
    ),
    ("listWebhookDeliveries", "400", "Invalid"): lambda world: world.alice.get(
        f"{WEBHOOK}/deliveries?status=lost"
    ),
    ("replayWebhookDelivery", "404", "NotFound"): lambda world: world.alice.post(
        f"{WEBHOOK}/deliveries/550e8400-e29b-41d4-a716-446655440000/replay"
    ),
    ("listTokenEntries", "400", "Invalid"): lambda world: world.alice.get(
        "/api/v1/tokens/entries?limit=101"
    ),
    ("getTokenUsage", "400", "Invalid"): lambda world: world.alice.get(
        "/api/v1/tokens/usage?days=91"
    ),
}


class TestExamples:
    @pytest.mark.parametrize(("operation", "status", "name"), CALLS)
    def test_of_one_operation_are_what_the_service_sends(self, world, operation, status, name):
        answer = CALLS[operation, status, name](world)
        assert str(answer.status_code) == status
        sent = {name for name in HEADERS if name in answer.headers}
        assert sent == described_headers(operation, status) & HEADERS
        body = answer.json()
        if body.get("estimatedWaitSeconds") in range(1, 10):
            body["estimatedWaitSeconds"] = 10  # the first job began a moment ago
        assert body == example(operation, status, name)

    def test_that_many_operations_share_are_what_the_service_sends(self, world, monkeypatch):
        shared = [each for each in shown() if (each[0], *each[3:5]) not in CALLS]
        assert {(status, name) for _, _, _, status, name, _ in shared} == {
            *(METHOD, DOWN, UNKNOWN, NO_TOKEN, BAD_TOKEN, SESSION, READ_ONLY)
        }
        job_id = str(world.new_job("SUCCEEDED").pk)
        for _, method, path, status, name, value in sorted(shared, key=lambda each: each[3]):
            at = path.replace("{id}", job_id)
            answer = self.send(world, monkeypatch, (status, name), method, at)
            assert answer.json() == value, (path, method)
            assert str(answer.status_code)[0] == status[0]

    def send(self, world: Any, monkeypatch: Any, kind: Any, method: str, path: str) -> Any:
        if kind == METHOD:
            return world.alice.generic("TRACE", path)
        if kind == NO_TOKEN:
            return world.anonymous.generic(method.upper(), path)
        if kind == BAD_TOKEN:
            headers = {"Authorization": f"Bearer {world.expired}"}
            return world.anonymous.generic(method.upper(), path, headers=headers)
        if kind == UNKNOWN:
            return world.alice.generic(method.upper(), f"{path}?page=2")
        if kind in (SESSION, READ_ONLY):
            fields = {"name": "n", "scope": "read" if kind == READ_ONLY else "full"}
            key = world.alice.post("/api/v1/keys", fields, format="json").json()
            headers = {"Authorization": f"Bearer {key['key']}"}
            answer = world.anonymous.generic(method.upper(), path, headers=headers)
            world.alice.delete(f"/api/v1/keys/{key['id']}")
            return answer
        with monkeypatch.context() as broken:
            broken.setattr(APIView, "initial", unreachable)
            return world.alice.generic(method.upper(), path)


def unreachable(*arguments: Any, **names: Any) -> None:
    raise OperationalError("connection refused")


class TestRequests:
    def test_orders_that_are_shown_are_accepted(self, client):
        for kind, content in request_of("createVideoJob").items():
            for name, each in content["examples"].items():
                format = {"application/json": "json"}.get(kind, "multipart")
                answer = client.post(JOBS, each["value"], format=format)
                assert answer.status_code == 202, (kind, name, answer.content)
                client.delete(f"{JOBS}/{answer.json()['id']}")

    def test_accounts_that_are_shown_are_created_and_log_in(self, anonymous):
        for operation, path, status in (("register", "register", 201), ("logIn", "token", 200)):
            [each] = request_of(operation)["application/json"]["examples"].values()
            answer = anonymous.post(f"{AUTH}/{path}", each["value"], format="json")
            assert answer.status_code == status, answer.content


class TestJobs:
    """The texts of the jobs that the document shows."""

    @pytest.mark.parametrize("status", ["PENDING", "SUCCEEDED", "CANCELLED"])
    def test_job_has_the_texts_of_its_status(self, client, new_job, status):
        job, shown_job = client.job(new_job(status)), job_example(status)
        assert shown_job["statusMessage"] == job["statusMessage"]
        assert [line["message"] for line in shown_job["logs"]] == [
            line["message"] for line in job["logs"]
        ]
        for name in ("progressPercentage", "tokensConsumed", "tokensRefunded"):
            assert shown_job[name] == job[name]
        assert {name for name, value in shown_job.items() if value is None} <= {
            name for name, value in job.items() if value is None
        }

    def test_failed_job_has_the_sentence_of_the_mock(self):
        failed = job_example("FAILED")
        refusal = mock.FAILURES["safety"]
        assert (failed["errorCode"], failed["errorMessage"]) == (refusal.code, refusal.message)
