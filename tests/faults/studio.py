"""The service with fake servers of Google and Cloudinary, in the test's process and on a clock that
tests advance.

The real steps of the workers run in the test's transaction, with both real SDKs; their threads do
HTTP only. No test waits for a back-off: time passes when the rows' times are moved into the past.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobs import providers
from jobs.models import (
    ACTIVE,
    JobEvent,
    Status,
    SubmissionGate,
    UnavailableModel,
    VideoJob,
    VideoRemoval,
)
from jobs.providers import veo
from jobs.storage.base import video_name
from jobs.worker import outage, removals, staging, steps
from tests.api import Client
from tests.fakes import CloudinaryImitation, VertexImitation
from tests.fakes.server import Answer, Request
from tests.run import PROJECT

NEVER = 1e9  # seconds that an operation takes
PROMPT = "A lighthouse at dusk"
LIBRARY = "urllib3.connectionpool"  # its warnings tell where there was no connection
USUAL = (  # what every client reads in the log of a job with which all goes well
    "📝 Job created",
    "🚀 Starting video generation",
    "☁️  Calling Google Veo API...",
    "🎬 Video generation in progress...",
    "💾 Saving the video...",
    "✅ Video generation completed successfully!",
)
TIMES = [f.name for f in VideoJob._meta.fields if f.name.endswith("_at")]
CHANGING = (  # in what staff read, from run to run
    (re.compile(r"projects/\S+/operations/[0-9a-f-]{36}"), "…/operations/…"),
    (re.compile(r"127\.0\.0\.1:\d+"), "host"),
    (re.compile(r"'/\S*/"), "'/…/"),
    (re.compile(r"\[Errno \d+\]"), "[Errno]"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\dZ"), "…"),
)


class Killed(BaseException):
    """The worker's process died."""


class Google(VertexImitation):
    calls: Counter[str]

    def handle(self, request: Request) -> Answer:
        self.calls["poll" if "fetchPredictOperation" in request.path else "create"] += 1
        return super().handle(request)

    def complete(self) -> None:
        """Complete the operations that would never end."""
        for record in self.records:
            record.done_at = 0


class Cloudinary(CloudinaryImitation):
    calls: Counter[str]

    def handle(self, request: Request) -> Answer:
        self.calls["destroy" if request.path.endswith("/destroy") else "upload"] += 1
        return super().handle(request)


class Studio:
    """`job` is the last job that Alice, the owner of the client, has ordered."""

    job: VideoJob

    def __init__(
        self,
        google: Google,
        cloudinary: Cloudinary,
        client: Client,
        settings: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        folder: Path,
    ) -> None:
        self.google = google
        self.cloudinary = cloudinary
        self.client = client
        self.settings = settings
        self.monkeypatch = monkeypatch
        self.log = caplog
        self.folder = folder
        self.restarted = False
        monkeypatch.setattr(transaction, "on_commit", lambda write, robust=False: write())
        caplog.set_level(logging.INFO)

    # ---- What Alice does ----

    def order(self, *, client: Client | None = None) -> VideoJob:
        """Order a video for Alice or, with another `client`, for another user."""
        answer = (client or self.client).create_json(prompt=PROMPT, mockMode=False)
        assert answer.status_code == 202, answer.content
        job = VideoJob.objects.get(pk=answer.json()["id"])
        if client is None:
            self.job = job
        return job

    def cancel(self) -> None:
        assert self.client.post(f"/api/v1/video-jobs/{self.job.pk}/cancel").status_code == 200

    def delete(self) -> None:
        assert self.client.delete(f"/api/v1/video-jobs/{self.job.pk}").status_code == 204

    def remove(self) -> None:
        assert self.client.delete(f"/api/v1/video-jobs/{self.job.pk}/video").status_code == 200

    # ---- What workers do ----

    def tick(self) -> None:
        steps.tick()

    def store(self) -> None:
        steps.store_due()

    def delete_files(self) -> None:
        """Delete removed videos, as soon as they are due."""
        VideoRemoval.objects.update(next_try_at=timezone.now())
        removals.remove_due()

    def finish(self) -> None:
        """Run workers until the job has ended."""
        for _ in range(400):  # storing is tried for a day
            if not VideoJob.objects.filter(pk=self.job.pk, status__in=ACTIVE).exists():
                return
            self.wait()
            self.tick()
            self.store()
        raise AssertionError(f"not over: {self.shown()}")

    def reach(self, stage: str) -> None:
        """Run workers until the job is at `stage`."""
        for _ in range(10):
            self.job.refresh_from_db()
            if self.job.stage == stage:
                return
            self.wait()
            self.tick()
        raise AssertionError(f"not {stage}: {self.shown()}")

    def try_in_vain(self, work: Callable[[], None]) -> None:
        """Try three times, each time as soon as the job is due."""
        for _ in range(3):
            self.wait()
            work()

    def meanwhile(self, happens: Callable[[], None]) -> None:
        """Call this before the next answer is recorded."""
        original = outage.retry_while_database_is_down

        def write(note: Callable[[], None]) -> None:
            self.monkeypatch.setattr(outage, "retry_while_database_is_down", original)
            happens()
            original(note)

        self.monkeypatch.setattr(outage, "retry_while_database_is_down", write)

    def die(self, work: Callable[[], None]) -> None:
        """A worker makes its call and dies before it records the answer."""

        def end() -> None:
            raise Killed

        self.meanwhile(end)
        with pytest.raises(Killed):
            work()

    def restart(self, **settings: Any) -> None:
        """The workers restart with other settings."""
        self.restarted = True
        for name, value in settings.items():
            setattr(self.settings, name, value)
        providers._make.cache_clear()

    def impatient(self) -> None:
        """Set every time-out to half a second."""
        from jobs.storage import cloudinary

        timeout = urllib3.Timeout(connect=0.5, read=0.5)
        self.monkeypatch.setattr(cloudinary, "TIMEOUT", timeout)
        self.monkeypatch.setattr(cloudinary, "DELETE_TIMEOUT", timeout)
        self.monkeypatch.setattr(veo, "TIMEOUT_MS", 500)
        self.restart()

    @contextmanager
    def outage(self, service: Google | Cloudinary) -> Iterator[None]:
        """The service refuses connections."""
        service.stop()
        try:
            yield
        finally:
            service.start()

    # ---- The clock ----

    def later(self, seconds: float) -> None:
        """Let this many seconds pass."""
        past = timedelta(seconds=seconds)
        VideoJob.objects.update(**{name: F(name) - past for name in TIMES})
        gate = SubmissionGate.objects.get()
        refused = [at - seconds for at in gate.refused]
        SubmissionGate.objects.update(opens_at=gate.opens_at - past, refused=refused)
        UnavailableModel.objects.update(
            since=F("since") - past, next_probe_at=F("next_probe_at") - past
        )

    def wait(self) -> None:
        """Let time pass until the job's next step is due."""
        self.job.refresh_from_db()
        due = self.job.next_step_at
        assert due is not None
        if self.job.status == Status.PENDING:
            due = max(due, SubmissionGate.objects.get().opens_at)
        left = (due - timezone.now()).total_seconds()
        self.later(max(0, left) + 0.001)

    # ---- What came of it ----

    def shown(self) -> dict[str, Any] | None:
        """The job as its owner sees it; None if it was deleted."""
        answer = self.client.get(f"/api/v1/video-jobs/{self.job.pk}")
        return answer.json() if answer.status_code == 200 else None

    def read_by_staff(self) -> list[str]:
        """The job's internal lines; if it was deleted, the lines of the service's log."""
        events = JobEvent.objects.filter(job=self.job.pk, internal=True).order_by("id")
        lines = [f"{event.message}: {event.detail}" for event in events]
        if not lines:
            late = [each for each in self.log.records if each.message == "late answer"]
            told = [each.__dict__ for each in late]
            lines = [f"(log) {each['what']}: {each.get('operation', '-')}" for each in told]
        return [_lasting(line) for line in lines]

    def calls(self) -> tuple[int, int, int]:
        """The creates, polls and uploads that arrived, for any job."""
        made = self.google.calls + self.cloudinary.calls
        return made["create"], made["poll"], made["upload"]

    def read_by_anybody(self) -> str:
        """Everything that the owner, the public and the operator's log can read."""
        job = f"/api/v1/video-jobs/{self.job.pk}"
        paths = [job, f"{job}/download", "/api/v1/video-jobs", "/api/v1/tokens/entries"]
        answers = [self.client.get(path) for path in (*paths, "/video-monitor")]
        lines = [_whole(record) for record in self.log.records if record.name != LIBRARY]
        return "\n".join([*lines, *(answer.content.decode() for answer in answers)])

    def operation(self) -> str:
        return VideoJob.objects.get(pk=self.job.pk).operation

    def stored(self) -> bytes | None:
        """The job's stored video, at Cloudinary or on this disk."""
        name = video_name(self.job.pk)
        local = self.folder / "media" / f"{name}.mp4"
        return local.read_bytes() if local.exists() else self.cloudinary.content_of(name)

    def staged_files(self) -> list[str]:
        return [path.name for path in staging.folder().iterdir()]


def minutes(job: dict[str, Any] | None) -> int:
    """Minutes from the order to the end; 0 if the job was deleted."""
    if job is None:
        return 0
    took = datetime.fromisoformat(job["completedAt"]) - datetime.fromisoformat(job["createdAt"])
    return round(took.total_seconds() / 60)


def unusual_lines(job: dict[str, Any]) -> list[str]:
    """What the owner reads in the job's log, without the lines of every job."""
    lines = [line["message"] for line in job["logs"]]
    return [line for line in lines if line not in USUAL and not line.startswith("💰")]


def _whole(record: logging.LogRecord) -> str:
    """The log line with its traceback and extras, without the operation's name, which the log may
    contain.

    The project's path is removed, because a traceback contains it and it differs between machines.
    """
    usual = logging.makeLogRecord({}).__dict__.keys() | {"operation"}
    extras = [value for name, value in record.__dict__.items() if name not in usual]
    return f"{logging.Formatter().format(record)} {extras}".replace(str(PROJECT), "")


def _lasting(line: str) -> str:
    for changing, instead in CHANGING:
        line = changing.sub(instead, line)
    return line
