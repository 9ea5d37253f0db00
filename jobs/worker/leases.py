"""Claim jobs for a worker: each claim is a lease, fair across users and within all limits."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F

from jobs import lifecycle, restores
from jobs.models import HELD, Stage, Status, SubmissionGate, VideoJob
from jobs.querysets import VideoJobQuerySet
from jobs.stats import waiting_line

WAITING_FOR_OWN_SLOT = "Waiting for one of your other jobs to end. The job starts automatically."
WAITING_FOR_UPSTREAM_SLOT = "Waiting for a free slot at Google Veo. The job starts automatically."
UPSTREAM_PAUSED = "Google Veo asked us to slow down. The job starts automatically."

LEASE = timedelta(seconds=45)  # must outlast a network time-out and two renewal intervals


def claim_pending(*, limit: int, now: datetime) -> list[VideoJob]:
    """Start up to `limit` PENDING jobs and lease them to the caller for submission.

    Fair across users. Respects each user's limit of running jobs and, for jobs that go to Veo, the
    installation's upstream limits. Starts nothing in a restored database (`restores`). Callers are
    serialized by a row lock.
    """
    if not _is_any_due(now):
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
    """Start nothing, and set the wait reason of the next jobs. Callers are serialized with those of
    `claim_pending`, which changes several of these rows as well.
    """
    if not _is_any_due(now):
        return
    with transaction.atomic():
        SubmissionGate.objects.update(looked_at=now)  # locks the row
        ids = [job.pk for job in waiting_line.front(now=now) if job.next_step_at <= now]
        _set_wait_reason(VideoJob.objects.waiting().filter(pk__in=ids), reason)


def claim_due(*, stage: Stage, limit: int, now: datetime) -> list[VideoJob]:
    """Lease up to `limit` RUNNING jobs at `stage` whose next step is due to the caller."""
    with transaction.atomic():
        jobs = list(
            VideoJob.objects.select_for_update(skip_locked=True)
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


def uncount_crash(*, jobs: list[VideoJob]) -> None:
    """Subtract the crash that the claim of these polls and uploads counted in advance.

    Their cluster is stopping. If it is killed before they end, they did not crash. The crash of a
    submission stays counted, because it is unknown whether the provider accepted the job.
    """
    paid = VideoJob.objects.filter(stage__in=(Stage.GENERATING, Stage.STORING), crash_count__gt=0)
    paid.filter(pk__in=[job.pk for job in jobs]).update(crash_count=F("crash_count") - 1)


def shorten_waits(*, now: datetime) -> None:
    """Let no job and no pause wait for longer than a lease: the clock was set back.

    Workers renew the leases of the jobs that they still process.
    """
    soon = now + LEASE
    too_late = VideoJob.objects.active().filter(next_step_at__gt=soon, next_step_at__lt=HELD)
    # A job whose row is locked is being changed by a worker, which has the new time.
    free = too_late.select_for_update(skip_locked=True).values("pk")
    with transaction.atomic():
        SubmissionGate.objects.filter(opens_at__gt=soon).update(opens_at=soon)
        VideoJob.objects.filter(pk__in=free).update(next_step_at=soon)


def submission_stalled(*, since: datetime, now: datetime) -> bool:
    """Whether a job that could start was due by `since` and no worker has tried to claim since.

    A job that waited for a slot is not late: the next claim starts it.
    """
    if not _is_any_due(since):
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


def _is_any_due(now: datetime) -> bool:
    """Whether a waiting job is due. The order makes PostgreSQL read one row of an index."""
    waiting = VideoJob.objects.waiting().filter(next_step_at__lte=now).order_by("next_step_at")
    return bool(waiting.values("pk")[:1])


def _free_upstream_slots(gate: SubmissionGate, now: datetime) -> tuple[int, str]:
    """How many more jobs may be submitted to Veo now, and the wait reason for the others."""
    if gate.opens_at > now:
        return 0, UPSTREAM_PAUSED
    in_flight = VideoJob.objects.in_flight().count()
    created = VideoJob.objects.submitted_lately(now=now).count()
    created += len(gate.refused_lately(now=now))
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
        if ids:
            _set_wait_reason(VideoJob.objects.waiting().filter(pk__in=ids), reason)
    return chosen


def _wait_reason(user_rank: int, has_slot: bool, no_slot_reason: str) -> str:
    if user_rank > settings.VIDEO_MAX_ACTIVE_JOBS:
        return WAITING_FOR_OWN_SLOT
    return "" if has_slot else no_slot_reason


def _set_wait_reason(jobs: VideoJobQuerySet, reason: str) -> None:
    jobs.exclude(status_message=reason).update(status_message=reason, version=F("version") + 1)
