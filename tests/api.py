"""The HTTP API inside this process: a client, a usual order, and the shapes of errors.

Requests pass through the whole stack of middleware with a real access token, and a 500 is an
answer, not an exception.
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
    f"{JOBS}/{ID}": ["get", "delete"],
    f"{JOBS}/{ID}/cancel": ["post"],
    f"{JOBS}/{ID}/download": ["get"],
    "/api/v1/tokens": ["get"],
    "/api/v1/tokens/entries": ["get"],
    "/api/v1/auth/me": ["get"],
}
ENDPOINTS = PRIVATE | {
    "/api/v1/video-models": ["get"],
    "/api/v1/schema": ["get"],
    "/api/v1/docs": ["get"],
    "/api/v1/auth/register": ["post"],
    "/api/v1/auth/token": ["post"],
    "/api/v1/auth/token/refresh": ["post"],
    "/api/v1/auth/logout": ["post"],
}
FORM: dict[str, Any] = {"prompt": "A sunset over mountains"} | MOCK_JOB
TOKENS = 1000  # what Alice and Bob have
COST = 50
PASSWORD = "tall ships at anchor"


class Client(APIClient):
    """A user of the HTTP API, in this process."""

    def create(self, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """Ask for a video by multipart; `fields` go over FORM, None leaves one out."""
        form = {name: value for name, value in (FORM | fields).items() if value is not None}
        return self.post(JOBS, form, format="multipart", headers=headers)

    def create_json(self, text: str | None = None, **fields: Any) -> Any:
        """Ask for a video by JSON: `text`, or an object of `fields` over FORM."""
        body = json.dumps(FORM | fields) if text is None else text
        return self.post(JOBS, body, content_type="application/json")

    def send(self, body: bytes, content_type: str, length: int | None = None) -> Any:
        """POST these bytes as they are; `length` is what Content-Length says."""
        claimed = len(body) if length is None else length
        raw: dict[str, Any] = {"CONTENT_LENGTH": str(claimed), "wsgi.input": io.BytesIO(body)}
        return self.generic("POST", JOBS, "", content_type, **raw)

    def job(self, job: VideoJob) -> dict[str, Any]:
        answer = self.get(f"{JOBS}/{job.pk}")
        assert answer.status_code == 200, answer.content
        return answer.json()


def limited(settings, rate):
    """How often one user may create jobs, such as "1/min"."""
    rest = settings.REST_FRAMEWORK
    rates = rest["DEFAULT_THROTTLE_RATES"] | {"create": rate}
    settings.REST_FRAMEWORK = rest | {"DEFAULT_THROTTLE_RATES": rates}


def assert_fault(answer, status=400, code="invalid", field=None):
    """The shape of contract 3 for a request at fault; returns its body."""
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
    """The shape of contract 3 for what is no fault of the request's; returns its body."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["code"] == code
    assert isinstance(answer.json()["detail"], str)
    return answer.json()
