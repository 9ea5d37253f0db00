"""Clients that order, upload and poll, and count each answer that a client would see as a failure.

They try nothing a second time.
"""

import io
import secrets
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from PIL import Image

from tests.client import FINAL, MOCK_JOB, ApiClient

PAUSE_SECONDS = 0.25
UPLOAD_SECONDS = 3  # of a slow one
CHUNKS = 20
POLLED = 10  # of a user's newest active jobs in each round


class SlowBody:
    """A body that is sent in UPLOAD_SECONDS, so that web often restarts meanwhile."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __len__(self) -> int:
        return len(self.body)

    def __iter__(self) -> Iterator[bytes]:
        size = len(self.body) // CHUNKS + 1
        for start in range(0, len(self.body), size):
            time.sleep(UPLOAD_SECONDS / CHUNKS)
            yield self.body[start : start + size]


class Load:
    """`phase` is what the answers are counted under. `accepted` has the jobs' ids by prompt."""

    def __init__(self, users: list[ApiClient]) -> None:
        self.users = users
        self.phase = ""
        self.answers: Counter[tuple[str, str]] = Counter()  # by phase and kind of request
        self.slowest: dict[str, float] = defaultdict(float)  # seconds of an answer, by phase
        self.failures: list[str] = []
        self.accepted: dict[str, str] = {}
        self.ended: set[str] = set()
        self.picture = _picture()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Each user orders with and without a picture, and polls, at the same time."""
        over = threading.Event()
        loops = (self._order, self._upload, self._poll, self._look)
        threads = [
            threading.Thread(target=self._repeat, args=(over, loop, user))
            for user in self.users
            for loop in loops
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _repeat(self, over: threading.Event, act: Callable[[ApiClient], None], user: Any) -> None:
        while not over.wait(PAUSE_SECONDS):
            try:
                act(user)
            except Exception as error:  # an assertion of ours must not pass unseen
                self.failures.append(f"{self.phase}: {act.__name__}: {error!r}")

    # ---- What a user does ----

    def _order(self, user: ApiClient) -> None:
        time.sleep(PAUSE_SECONDS * 4)
        prompt = f"upgrade {secrets.token_hex(6)}"
        body = MOCK_JOB | {"prompt": prompt, "mockMode": False}
        self._accept(prompt, self._ask("order", user.post, "/api/v1/video-jobs", json=body))

    def _upload(self, user: ApiClient) -> None:
        prompt = f"upgrade {secrets.token_hex(6)}"
        fields = MOCK_JOB | {"prompt": prompt, "mockMode": "false"}
        files = {"initialImage": ("frame.png", self.picture, "image/png")}
        form = requests.Request("POST", user.url, data=fields, files=files).prepare()
        assert isinstance(form.body, bytes)
        headers = {"Content-Type": form.headers["Content-Type"]}
        answer = self._ask(
            "upload", user.post, "/api/v1/video-jobs", data=SlowBody(form.body), headers=headers
        )
        self._accept(prompt, answer)

    def _poll(self, user: ApiClient) -> None:
        answer = self._ask("list", user.get, f"/api/v1/video-jobs?limit={POLLED}")
        for job in answer.json()["jobs"] if answer else []:
            if job["status"] not in FINAL:
                self._ask("poll", user.get, f"/api/v1/video-jobs/{job['id']}")

    def _look(self, user: ApiClient) -> None:
        self._ask("monitor", user.get, "/video-monitor")

    # ---- Answers ----

    def _accept(self, prompt: str, answer: requests.Response | None) -> None:
        if answer is not None:
            self.accepted[prompt] = answer.json()["id"]

    def _ask(self, kind: str, send: Any, path: str, **options: Any) -> requests.Response | None:
        """The answer; None if a client would see a failure, which is then recorded."""
        started = time.monotonic()
        try:
            answer: requests.Response = send(path, **options)
            self.answers[self.phase, kind] += 1
            if kind != "upload":
                seconds = time.monotonic() - started
                self.slowest[self.phase] = max(self.slowest[self.phase], seconds)
            if answer.ok:
                return answer
            self.failures.append(f"{self.phase}: {kind}: {answer.status_code} {answer.text[:200]}")
        except requests.RequestException as error:
            self.failures.append(f"{self.phase}: {kind}: {error!r}")
        return None


def _picture() -> bytes:
    """A PNG of about a megabyte."""
    file = io.BytesIO()
    Image.frombytes("RGB", (640, 480), secrets.token_bytes(640 * 480 * 3)).save(file, "PNG")
    return file.getvalue()
