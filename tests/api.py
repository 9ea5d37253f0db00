"""The HTTP API in this process: a client, a usual order, and the shapes of errors.

Requests pass through all middleware with a real access token, and a 500 is a response, not an
exception.
"""

import io
import json
from typing import Any

from rest_framework.test import APIClient

from jobs.models import VideoJob
from tests.client import MOCK_JOB

JOBS = "/api/v1/video-jobs"
ID = "550e8400-e29b-41d4-a716-446655440000"  # of no job
# Every endpoint, and the methods that it has.
PRIVATE = {
    JOBS: ["get", "post"],
    f"{JOBS}/{ID}": ["get", "patch", "delete"],
    f"{JOBS}/quote": ["post"],
    f"{JOBS}/{ID}/cancel": ["post"],
    f"{JOBS}/{ID}/download": ["get"],
    f"{JOBS}/{ID}/video": ["delete"],
    "/api/v1/tokens": ["get"],
    "/api/v1/tokens/entries": ["get"],
    "/api/v1/tokens/usage": ["get"],
    "/api/v1/auth/me": ["get", "delete"],
    "/api/v1/webhook": ["get", "put", "delete"],
    "/api/v1/webhook/rotate": ["post"],
    "/api/v1/webhook/test": ["post"],
    "/api/v1/webhook/deliveries": ["get"],
    f"/api/v1/webhook/deliveries/{ID}/replay": ["post"],
    "/api/v1/auth/password": ["post"],
    "/api/v1/keys": ["get", "post"],
    f"/api/v1/keys/{ID}": ["delete"],
}
ENDPOINTS = PRIVATE | {
    "/api/v1/video-models": ["get"],
    "/api/v1/schema": ["get"],
    "/api/v1/docs": ["get"],
    "/api/v1/auth/register": ["post"],
    "/api/v1/auth/token": ["post"],
    "/api/v1/auth/token/refresh": ["post"],
    "/api/v1/auth/logout": ["post"],
    "/api/v1/auth/password/reset": ["post"],
    "/api/v1/auth/password/reset/confirm": ["post"],
}
FORM: dict[str, Any] = {"prompt": "A sunset over mountains"} | MOCK_JOB
TOKENS = 1000  # the balance of Alice and Bob
COST = 50
NO_JOBS = {"jobs": [], "total": 0, "nextCursor": None, "hasMore": False}
PASSWORD = "tall ships at anchor"


class Client(APIClient):
    """A user of the HTTP API, in this process."""

    def create(self, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """Order a video by multipart. `fields` override FORM; None removes a field."""
        form = {name: value for name, value in (FORM | fields).items() if value is not None}
        return self.post(JOBS, form, format="multipart", headers=headers)

    def quote(self, **fields: Any) -> Any:
        """Ask what the order of `create` costs."""
        form = {name: value for name, value in (FORM | fields).items() if value is not None}
        return self.post(f"{JOBS}/quote", form, format="multipart")

    def create_json(self, text: str | None = None, **fields: Any) -> Any:
        """Order a video by JSON: `text`, or FORM with `fields`."""
        body = json.dumps(FORM | fields) if text is None else text
        return self.post(JOBS, body, content_type="application/json")

    def send(
        self, body: bytes, content_type: str, length: int | None = None, path: str = JOBS
    ) -> Any:
        """POST these bytes unchanged; `length` is the value of Content-Length."""
        claimed = len(body) if length is None else length
        raw: dict[str, Any] = {"CONTENT_LENGTH": str(claimed), "wsgi.input": io.BytesIO(body)}
        return self.generic("POST", path, "", content_type, **raw)

    def job(self, job: VideoJob) -> dict[str, Any]:
        answer = self.get(f"{JOBS}/{job.pk}")
        assert answer.status_code == 200, answer.content
        return answer.json()


def by(key: str) -> Client:
    """The client of a program with this API key."""
    client = Client(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def altered(key: str) -> str:
    """The same prefix with another secret."""
    return key[:-1] + ("a" if key[-1] != "a" else "b")


def limited(settings, rate, scope="create"):
    """Set how often one user may create jobs, or another scope of throttles, such as "1/min"."""
    rest = settings.REST_FRAMEWORK
    rates = rest["DEFAULT_THROTTLE_RATES"] | {scope: rate}
    settings.REST_FRAMEWORK = rest | {"DEFAULT_THROTTLE_RATES": rates}


def assert_fault(answer, status=400, code="invalid", field=None):
    """Check the shape of an error in the request; return its body."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert set(body) == {"detail", "code", "field", "errors"}
    assert (body["code"], body["field"]) == (code, field)
    assert {frozenset(each) for each in body["errors"]} == {frozenset(["field", "message", "code"])}
    assert body["detail"] == body["errors"][0]["message"]
    assert body["field"] == body["errors"][0]["field"]
    for text in (each[key] for each in body["errors"] for key in ("message", "code")):
        assert isinstance(text, str)
        assert text
    return body


def assert_problem(answer, status, code):
    """Check the shape of any other error; return its body."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["code"] == code
    assert isinstance(answer.json()["detail"], str)
    return answer.json()
