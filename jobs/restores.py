"""Restored databases. Jobs that wait in a backup may have been submitted after it was made.

The row `SubmissionGate` names the server and the table for which it is open. Restoring a dump makes
another table, or the same on another server. So workers submit nothing until
`manage.py after_restore` has held the jobs that might be submitted a second time. A restored
copy of the server's files has the same table: there, run the command before the workers start.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from jobs import lifecycle, messages
from jobs.models import JobEvent, Stage, Status, SubmissionGate, VideoJob, WebhookDelivery

# A dump contains neither the number of its server (pg_control_system) nor that of its table.
# SQLite has no such numbers, so a restored copy of its file is not detected.
TABLES = {
    "postgresql": (
        "(pg_control_system()).system_identifier || '/' || 'jobs_submissiongate'::regclass::oid"
    ),
    "sqlite": "''",
}


@dataclass(frozen=True)
class Report:
    newest_event: datetime | None  # what happened later is not in the database
    held_now: int
    held: int
    in_flight: int  # jobs that go on, because the provider's operation is known
    webhooks: int  # events that are sent, some of them for the second time


def after_restore(*, now: datetime) -> Report:
    """Hold the jobs that might be submitted for a second time, and let workers submit the others.

    Nothing changes for jobs that are held already.
    """
    with transaction.atomic():
        SubmissionGate.objects.select_for_update().get()
        events = JobEvent.objects.exclude(message__endswith=messages.HELD).order_by("-id")
        newest = events.values_list("created_at", flat=True).first()
        held_now = lifecycle.hold_unsubmitted(now=now)
        _, present = _tables()
        SubmissionGate.objects.update(database=present)
    return Report(
        newest_event=newest,
        held_now=held_now,
        held=VideoJob.objects.held().count(),
        in_flight=VideoJob.objects.filter(
            status=Status.RUNNING, stage__in=(Stage.GENERATING, Stage.STORING)
        ).count(),
        webhooks=WebhookDelivery.objects.filter(next_try_at__isnull=False).count(),
    )


def is_unconfirmed() -> bool:
    """Whether the database was restored from a dump, and `after_restore` has not been run yet."""
    confirmed, present = _tables()
    if present and not confirmed:  # a new database, or one that an older release has used
        SubmissionGate.objects.filter(database="").update(database=present)
        return False
    return confirmed != present


def _tables() -> tuple[str, str]:
    """The tables for which the gate is open, and those of this database."""
    present = RawSQL(TABLES[connection.vendor], ())
    return SubmissionGate.objects.values_list("database", present).get()
