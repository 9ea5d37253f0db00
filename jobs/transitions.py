"""The compare-and-set updates for `lifecycle`; nothing else may call them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet

from jobs import events, removals
from jobs.models import ACTIVE, JobImage, Stage, Status, VideoJob
from jobs.stats import counters


def move(job: VideoJob, seen: str, /, *conditions: Q, **changes: Any) -> bool:
    """Change a RUNNING job if it is still at the stage `seen`, and all `conditions` hold; otherwise
    return False.
    """
    changes = {"version": F("version") + 1, "crash_count": 0} | changes
    return bool(at_stage(seen, [job.pk]).filter(*conditions).update(**changes))


def at_stage(stage: str, ids: Sequence[UUID]) -> QuerySet[VideoJob]:
    return VideoJob.objects.filter(pk__in=ids, status=Status.RUNNING, stage=stage)


def end(
    job: VideoJob, status: Status, now: datetime, *, seen: str | None = None, **changes: Any
) -> bool:
    """Give an active job its final status, provided it is still at the stage `seen`, if given."""
    expected = Q(status__in=ACTIVE) if seen is None else Q(status__in=ACTIVE, stage=seen)
    changes |= {"status": status, "stage": "", "completed_at": now, "next_step_at": None}
    ended = VideoJob.objects.filter(expected, pk=job.pk).update(
        version=F("version") + 1, crash_count=0, **changes
    )
    if ended:
        if job.stage == Stage.STORING and status != Status.SUCCEEDED:
            removals.job_ended_while_storing(job=job, now=now)
        for name, value in changes.items():
            setattr(job, name, value)
        JobImage.objects.filter(job=job).delete()
        counters.inc(name=counters.ENDED, kind=status, value=job.error_code)
        events.log_after_commit(
            job, status.lower(), **({"error_code": job.error_code} if job.error_code else {})
        )
    return bool(ended)


def observe_since_order(name: str, job: VideoJob, now: datetime) -> None:
    """By model; mock jobs as a model of their own."""
    model = "mock" if job.mock_mode else job.model
    counters.observe(name=name, kind=model, seconds=(now - job.created_at).total_seconds())


def observe_duration(name: str, job: VideoJob, since: datetime | None, now: datetime) -> None:
    if since:
        provider = "mock" if job.mock_mode else "veo"
        counters.observe(name=name, kind=provider, seconds=(now - since).total_seconds())
