"""Jobs in each state, made with the functions that workers call."""

from typing import Any

from django.utils import timezone

from jobs import lifecycle
from jobs.catalog import VideoSpec
from jobs.failures import Failure
from jobs.models import Stage, Status, VideoJob
from jobs.storage.base import StoredVideo, video_name
from jobs.worker import leases
from tests.api import FORM

ENDED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
STATES = (Status.PENDING, *Stage, *ENDED)  # of a job, in the order in which it comes to them


def order(**changes: Any) -> VideoSpec:
    """The VideoSpec of FORM, with `changes`."""
    usual: dict[str, Any] = {
        "prompt": FORM["prompt"],
        "model": FORM["model"],
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "duration_seconds": 8,
        "generate_audio": False,
        "mock_mode": True,
    }
    return VideoSpec(**usual | changes)


def bring(job, state, *, now=None):
    """The job at `state`, by the workers' own steps; other PENDING jobs may start with it."""
    now = now or timezone.now()
    if state == Status.CANCELLED:
        return lifecycle.cancel(job=job, now=now)
    way = [Status.PENDING, *Stage]
    goal = state if state in way else Stage.STORING
    while (here := where(job)) != goal:
        STEPS[here](job, now)
        job.refresh_from_db()
        assert where(job) == way[way.index(here) + 1]
    if state == Status.SUCCEEDED:
        assert lifecycle.succeed(job=job, video=stored(job), now=now)
    if state == Status.FAILED:
        assert lifecycle.fail(job=job, failure=BLOCKED, now=now)
    job.refresh_from_db()
    return job


def where(job):
    return job.stage or job.status


STEPS = {
    Status.PENDING: lambda job, now: leases.claim_pending(limit=100, now=now),
    Stage.SUBMITTING: lambda job, now: lifecycle.submitted(accepted={job: OPERATION}, now=now),
    Stage.GENERATING: lambda job, now: lifecycle.generated(job=job, now=now),
}
OPERATION = "projects/acme-7/operations/secret-operation"
BLOCKED = Failure(
    code="safety.output",
    message="The video was held back.",
    detail="raw words of the provider: AIzaSy-secret-key",
)


def stored(job):
    name = video_name(job.pk)
    url = f"/media/{name}"
    return StoredVideo(name=f"{name}.mp4", url=f"{url}.mp4", poster_url=f"{url}.jpg", bytes=123)


def kept(job):
    """The job's row now; None if it was deleted."""
    return VideoJob.objects.filter(pk=job.pk).first()
