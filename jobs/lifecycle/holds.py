"""Jobs of a restored database that might be submitted for a second time: held until staff decide.

Held jobs can also be cancelled, deleted, or marked as failed, as any active job.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts.models import User
from jobs import events, messages, wakeup
from jobs.models import HELD, JobEvent, Stage, Status, VideoJob

BATCH_SIZE = 500  # SQLite bounds a statement's parameters


class NotHeld(Exception):
    """The job is not held: it was started, has ended, or was deleted."""


def hold_unsubmitted(*, now: datetime) -> int:
    """Hold the jobs whose submission the database does not show; return how many.

    These are the waiting jobs, and those that were being submitted: Google may have accepted them
    after the backup. Mock jobs are not held.
    """
    jobs = VideoJob.objects.filter(
        mock_mode=False, stage__in=("", Stage.SUBMITTING), next_step_at__lt=HELD
    )
    with transaction.atomic():
        ids = list(jobs.select_for_update().order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(ids), BATCH_SIZE):
            batch = ids[start : start + BATCH_SIZE]
            VideoJob.objects.filter(pk__in=batch).update(
                status=Status.PENDING,
                stage="",
                started_at=None,
                next_step_at=HELD,
                failure_count=0,
                crash_count=0,
                status_message=messages.HELD,
                version=F("version") + 1,
            )
        JobEvent.objects.bulk_create(
            (
                JobEvent(
                    job_id=id,
                    message=f"⏸️ {messages.HELD}",
                    created_at=now,
                    level=JobEvent.Level.WARNING,
                )
                for id in ids
            ),
            batch_size=BATCH_SIZE,
        )
    return len(ids)


def run_held(*, job: VideoJob, actor: User, reason: str, now: datetime) -> None:
    """Let workers start a held job. Raises NotHeld."""
    with transaction.atomic():
        if (
            not VideoJob.objects.held()
            .filter(pk=job.pk)
            .update(next_step_at=now, status_message=messages.QUEUED, version=F("version") + 1)
        ):
            raise NotHeld
        events.add(job, f"▶️ {messages.QUEUED}", now)
        events.add_by_staff(actor, job, "Run", reason, now)
        wakeup.wake("submit_due")
