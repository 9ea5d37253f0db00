"""Who works on which job: claims with a lease, fair across users, within everybody's limits."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from jobs import lifecycle
from jobs.models import Stage, Status, SubmissionGate, VideoJob

WAITING_FOR_OWN_SLOT = "Waiting for one of your own jobs to end. The job starts by itself."
WAITING_FOR_UPSTREAM_SLOT = "Waiting for a free place at Google Veo. The job starts by itself."
UPSTREAM_PAUSED = "Google Veo asked us to slow down. The job starts by itself."
BATCH_SIZE = 500  # SQLite bounds a statement's parameters

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
        SubmissionGate.objects.update(looked_at=now)
        room, reason = _free_upstream_slots(gate, now)
        chosen = _choose(limit, room, reason, now)
        jobs = list(
            VideoJob.objects.select_for_update().filter(pk__in=chosen, status=Status.PENDING)
        )
        lifecycle.start(jobs=jobs, lease=LEASE, now=now)
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
                next_step_at=now + LEASE, crash_count=F("crash_count") + 1
            )
    return jobs


def renew(*, jobs: list[VideoJob], now: datetime) -> None:
    """Keep the leases of jobs that the caller is still at work on."""
    VideoJob.objects.filter(pk__in=[job.pk for job in jobs], status=Status.RUNNING).update(
        next_step_at=now + LEASE
    )


def submission_stalled(*, since: datetime, now: datetime) -> bool:
    """Whether a job that could start was due by `since`, and nobody looked since then.

    Where somebody looks it starts; one that can start only this moment, having waited for room,
    is not late.
    """
    if not VideoJob.objects.filter(status=Status.PENDING, next_step_at__lte=since).exists():
        return False
    gate = SubmissionGate.objects.get()
    if gate.looked_at and gate.looked_at > since:
        return False
    room, reason = _free_upstream_slots(gate, now)
    return any(
        job.next_step_at <= since
        and not _wait_reason(job.user_rank, room > 0 or job.mock_mode, reason)
        for job in VideoJob.objects.in_line()
    )


def _free_upstream_slots(gate: SubmissionGate, now: datetime) -> tuple[int, str]:
    """How many jobs may go to Veo now, and why no more."""
    if gate.opens_at > now:
        return 0, UPSTREAM_PAUSED
    veo = VideoJob.objects.filter(mock_mode=False)
    in_flight = veo.filter(
        status=Status.RUNNING, stage__in=(Stage.SUBMITTING, Stage.GENERATING)
    ).count()
    created = veo.filter(started_at__gt=now - timedelta(minutes=1)).count()
    room = min(settings.VEO_MAX_IN_FLIGHT - in_flight, settings.VEO_CREATES_PER_MINUTE - created)
    return room, WAITING_FOR_UPSTREAM_SLOT


def _choose(limit: int, room: int, no_room: str, now: datetime) -> list[UUID]:
    """The ids of those next in line, at most `limit` in all and `room` that go to Veo.

    Those that are passed over are told why.
    """
    chosen: list[UUID] = []
    waiting: dict[str, list[UUID]] = {WAITING_FOR_OWN_SLOT: [], no_room: []}
    for job in VideoJob.objects.in_line():
        if job.next_step_at > now:
            continue
        reason = _wait_reason(job.user_rank, room > 0 or job.mock_mode, no_room)
        if not reason:
            chosen.append(job.pk)
            room -= not job.mock_mode
        elif job.status_message != reason:
            waiting[reason].append(job.pk)
        if len(chosen) == limit:
            break
    for reason, ids in waiting.items():
        _tell(ids, reason)
    return chosen


def _wait_reason(user_rank: int, has_room: bool, no_room: str) -> str:
    if user_rank > settings.VIDEO_MAX_ACTIVE_JOBS:
        return WAITING_FOR_OWN_SLOT
    return "" if has_room else no_room


def _tell(ids: list[UUID], reason: str) -> None:
    for at in range(0, len(ids), BATCH_SIZE):
        VideoJob.objects.filter(pk__in=ids[at : at + BATCH_SIZE], status=Status.PENDING).update(
            status_message=reason, version=F("version") + 1
        )
