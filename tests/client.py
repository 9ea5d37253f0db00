"""A client program of one user of the HTTP API."""

import time
from collections.abc import Mapping
from typing import Any

import requests

FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
MOCK_JOB = {
    "model": "veo-3.1-fast-generate-preview",
    "resolution": "720p",
    "aspectRatio": "16:9",
    "durationSeconds": 8,
    "mockMode": "true",
}
File = tuple[str, bytes, str]  # its name, content and type


class ApiClient:
    """Each request uses its own connection, so that none fails because an idle one was closed.

    `get`, `post` and `delete` take the options of requests, and follow no redirects.
    """

    def __init__(self, url: str, access: str = "") -> None:
        self.url = url
        self.headers = {"Connection": "close"}
        if access:
            self.headers["Authorization"] = f"Bearer {access}"

    def get(self, path: str, **options: Any) -> requests.Response:
        return self._request("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self._request("POST", path, **options)

    def put(self, path: str, **options: Any) -> requests.Response:
        return self._request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> requests.Response:
        return self._request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self._request("DELETE", path, **options)

    def register(self, name: str, password: str) -> None:
        fields = {"username": name, "email": f"{name}@example.com", "password": password}
        _expect(201, self.post("/api/v1/auth/register", json=fields))

    def sign_in(self, name: str, password: str) -> None:
        fields = {"username": name, "password": password}
        tokens = _expect(200, self.post("/api/v1/auth/token", json=fields)).json()
        self.headers["Authorization"] = f"Bearer {tokens['access']}"

    def create(
        self,
        *,
        files: Mapping[str, File | list[File]] | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: object,
    ) -> requests.Response:
        """Order a video by multipart. `fields` override MOCK_JOB; None removes a field."""
        form = [
            (name, (None, str(value)))
            for name, value in (MOCK_JOB | fields).items()
            if value is not None
        ]
        parts = [
            (name, file)
            for name, given in (files or {}).items()
            for file in (given if isinstance(given, list) else [given])
        ]
        return self.post("/api/v1/video-jobs", files=form + parts, headers=headers or {})

    def order(self, prompt: str = "A lighthouse at dusk", **fields: Any) -> dict[str, Any]:
        """The job that `create` makes; a refusal is an error."""
        return _expect(202, self.create(prompt=prompt, **fields)).json()

    def tokens(self) -> int:
        return _expect(200, self.get("/api/v1/tokens")).json()["availableTokens"]

    def entry_kinds(self, job_id: str) -> list[str]:
        """The kinds of the job's ledger entries, oldest first."""
        entries = _expect(200, self.get("/api/v1/tokens/entries?limit=100")).json()["entries"]
        return [entry["kind"] for entry in reversed(entries) if entry["reference"] == job_id]

    def job(self, job_id: str) -> dict[str, Any]:
        return _expect(200, self.get(f"/api/v1/video-jobs/{job_id}")).json()

    def wait(self, job_id: str, seconds: float = 60) -> dict[str, Any]:
        """Poll until the job has ended, and return it."""
        deadline = time.monotonic() + seconds
        while (job := self.job(job_id))["status"] not in FINAL:
            assert time.monotonic() < deadline, f"not over after {seconds} seconds: {job}"
            time.sleep(0.2)
        return job

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        options = {"timeout": 30, "allow_redirects": False} | options
        options["headers"] = self.headers | dict(options.get("headers", {}))
        with requests.Session() as session:
            session.trust_env = False  # ignore the developer's proxy and .netrc
            return session.request(method, self.url + path, **options)


def _expect(status: int, response: requests.Response) -> requests.Response:
    assert response.status_code == status, f"{response.status_code} {response.text}"
    return response
