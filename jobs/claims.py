"""Who works on which job: claims with a lease, fair across users, within everybody's limits."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from jobs.lifecycle import CALLING, STARTING
from jobs.models import JobEvent, Stage, Status, SubmissionGate, VideoJob

LEASE = timedelta(seconds=45)  # longer than any time-out of a step between two renewals


def claim_pending(*, limit: int, now: datetime) -> list[VideoJob]:
    """Up to `limit` PENDING jobs, now RUNNING and leased to the caller for submission.

    Fair across users, within each user's limit of running jobs and, for jobs that go to Veo,
    within what the provider allows the whole installation. One caller at a time.
    """
    if not VideoJob.objects.filter(status=Status.PENDING, next_step_at__lte=now).exists():
        return []
    with transaction.atomic():
        gate = SubmissionGate.objects.select_for_update().get()
        chosen = _choose(limit, _room_upstream(gate, now), now)
        jobs = list(
            VideoJob.objects.select_for_update().filter(pk__in=chosen, status=Status.PENDING)
        )
        VideoJob.objects.filter(pk__in=[job.pk for job in jobs]).update(
            status=Status.RUNNING,
            stage=Stage.SUBMITTING,
            status_message=STARTING,
            started_at=now,
            next_step_at=now + LEASE,
            version=F("version") + 1,
        )
        for job in jobs:
            job.status, job.stage, job.started_at = Status.RUNNING, Stage.SUBMITTING, now
        JobEvent.objects.bulk_create(
            JobEvent(job=job, message=message, created_at=now)
            for job in jobs
            for message in (STARTING, CALLING)
            if job.attempts == 0
        )
    return jobs


def claim_due(*, stage: Stage, limit: int, now: datetime) -> list[VideoJob]:
    """Up to `limit` RUNNING jobs at `stage` whose next step is due, leased to the caller."""
    skip_locked = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        jobs = list(
            VideoJob.objects.select_for_update(skip_locked=skip_locked)
            .filter(status=Status.RUNNING, stage=stage)
            .due(now=now)[:limit]
        )
        if jobs:
            VideoJob.objects.filter(pk__in=[job.pk for job in jobs]).update(
                next_step_at=now + LEASE, unanswered=F("unanswered") + 1
            )
    return jobs


def renew(*, jobs: list[VideoJob], now: datetime) -> None:
    """Keep the leases of jobs that the caller is still at work on."""
    VideoJob.objects.filter(pk__in=[job.pk for job in jobs], status=Status.RUNNING).update(
        next_step_at=now + LEASE
    )


def _room_upstream(gate: SubmissionGate, now: datetime) -> int:
    """How many jobs may go to Veo now."""
    if gate.opens_at > now:
        return 0
    veo = VideoJob.objects.filter(mock_mode=False)
    in_flight = veo.filter(
        status=Status.RUNNING, stage__in=(Stage.SUBMITTING, Stage.GENERATING)
    ).count()
    created = veo.filter(started_at__gt=now - timedelta(minutes=1)).count()
    return min(settings.VEO_MAX_IN_FLIGHT - in_flight, settings.VEO_CREATES_PER_MINUTE - created)


def _choose(limit: int, room: int, now: datetime) -> list[UUID]:
    """The ids of those next in line, at most `limit` in all and `room` that go to Veo."""
    line = VideoJob.objects.in_line().values_list("id", "mock_mode", "next_step_at", "turn")
    chosen: list[UUID] = []
    for id, mock_mode, due, turn in line:
        if due > now or turn > settings.VIDEO_MAX_ACTIVE_JOBS or (not mock_mode and room <= 0):
            continue
        chosen.append(id)
        room -= not mock_mode
        if len(chosen) == limit:
            break
    return chosen
