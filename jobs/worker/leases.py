"""Claim jobs for a worker: each claim is a lease, fair across users and within all limits."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from jobs import lifecycle, restores
from jobs.models import Stage, Status, SubmissionGate, VideoJob
from jobs.stats import waiting_line

WAITING_FOR_OWN_SLOT = "Waiting for one of your other jobs to end. The job starts automatically."
WAITING_FOR_UPSTREAM_SLOT = "Waiting for a free slot at Google Veo. The job starts automatically."
UPSTREAM_PAUSED = "Google Veo asked us to slow down. The job starts automatically."
BATCH_SIZE = 500  # SQLite bounds a statement's parameters

LEASE = timedelta(seconds=45)  # must outlast a network time-out and two renewal intervals


def claim_pending(*, limit: int, now: datetime) -> list[VideoJob]:
    """Start up to `limit` PENDING jobs and lease them to the caller for submission.

    Fair across users. Respects each user's limit of running jobs and, for jobs that go to Veo, the
    installation's upstream limits. Starts nothing in a restored database (`restores`). Callers are
    serialized by a row lock.
    """
    if not VideoJob.objects.filter(status=Status.PENDING, next_step_at__lte=now).exists():
        return []
    with transaction.atomic():
        gate = SubmissionGate.objects.select_for_update().get()
        SubmissionGate.objects.update(looked_at=now)
        if restores.is_unconfirmed():
            return []
        slots, no_slot_reason = _free_upstream_slots(gate, now)
        chosen = _choose(limit, slots, no_slot_reason, now)
        jobs = list(
            VideoJob.objects.select_for_update().filter(pk__in=chosen, status=Status.PENDING)
        )
        jobs.sort(key=lambda job: chosen.index(job.pk))
        lifecycle.start(jobs=jobs, lease=LEASE, now=now)
    return jobs


def hold(*, reason: str, now: datetime) -> None:
    """Start nothing, and tell the owners of all jobs that could be due why."""
    waiting = VideoJob.objects.filter(status=Status.PENDING, next_step_at__lte=now)
    if waiting.exists():
        SubmissionGate.objects.update(looked_at=now)
        waiting.exclude(status_message=reason).update(
            status_message=reason, version=F("version") + 1
        )


def claim_due(*, stage: Stage, limit: int, now: datetime) -> list[VideoJob]:
    """Lease up to `limit` RUNNING jobs at `stage` whose next step is due to the caller."""
    skip_locked = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        jobs = list(
            VideoJob.objects.select_for_update(skip_locked=skip_locked)
            .filter(status=Status.RUNNING, stage=stage)
            .due(now=now)[:limit]
        )
        if jobs:
            VideoJob.objects.filter(pk__in=[job.pk for job in jobs]).update(
                next_step_at=now + LEASE, crash_count=F("crash_count") + 1
            )
    return jobs


def renew(*, jobs: list[VideoJob], now: datetime) -> None:
    """Extend the leases of jobs that the caller is still processing."""
    VideoJob.objects.filter(pk__in=[job.pk for job in jobs], status=Status.RUNNING).update(
        next_step_at=now + LEASE
    )


def submission_stalled(*, since: datetime, now: datetime) -> bool:
    """Whether a job that could start was due by `since` and no worker has tried to claim since.

    A job that waited for a slot is not late: the next claim starts it.
    """
    if not VideoJob.objects.filter(status=Status.PENDING, next_step_at__lte=since).exists():
        return False
    gate = SubmissionGate.objects.get()
    if gate.looked_at and gate.looked_at > since:
        return False
    slots, no_slot_reason = _free_upstream_slots(gate, now)
    return any(
        job.next_step_at <= since
        and not _wait_reason(job.user_rank, slots > 0 or job.mock_mode, no_slot_reason)
        for job in waiting_line.front(now=now)
    )


def _free_upstream_slots(gate: SubmissionGate, now: datetime) -> tuple[int, str]:
    """How many more jobs may be submitted to Veo now, and the wait reason for the others."""
    if gate.opens_at > now:
        return 0, UPSTREAM_PAUSED
    veo = VideoJob.objects.filter(mock_mode=False)
    in_flight = veo.filter(
        status=Status.RUNNING, stage__in=(Stage.SUBMITTING, Stage.GENERATING)
    ).count()
    created = veo.filter(started_at__gt=now - timedelta(minutes=1)).count()
    slots = min(settings.VEO_MAX_IN_FLIGHT - in_flight, settings.VEO_CREATES_PER_MINUTE - created)
    return slots, WAITING_FOR_UPSTREAM_SLOT


def _choose(limit: int, slots: int, no_slot_reason: str, now: datetime) -> list[UUID]:
    """The ids of the next jobs to start: at most `limit`, of which at most `slots` go to Veo.

    Sets the wait reason of jobs that could not start.
    """
    chosen: list[UUID] = []
    waiting: dict[str, list[UUID]] = {WAITING_FOR_OWN_SLOT: [], no_slot_reason: []}
    for job in waiting_line.front(now=now):
        if job.next_step_at > now:
            continue
        reason = _wait_reason(job.user_rank, slots > 0 or job.mock_mode, no_slot_reason)
        if not reason:
            chosen.append(job.pk)
            slots -= not job.mock_mode
        elif job.status_message != reason:
            waiting[reason].append(job.pk)
        if len(chosen) == limit:
            break
    for reason, ids in waiting.items():
        _set_wait_reason(ids, reason)
    return chosen


def _wait_reason(user_rank: int, has_slot: bool, no_slot_reason: str) -> str:
    if user_rank > settings.VIDEO_MAX_ACTIVE_JOBS:
        return WAITING_FOR_OWN_SLOT
    return "" if has_slot else no_slot_reason


def _set_wait_reason(ids: list[UUID], reason: str) -> None:
    for start in range(0, len(ids), BATCH_SIZE):
        batch = ids[start : start + BATCH_SIZE]
        VideoJob.objects.filter(pk__in=batch, status=Status.PENDING).update(
            status_message=reason, version=F("version") + 1
        )
