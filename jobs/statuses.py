"""The statuses of a job, and the stages of a running job."""

from datetime import UTC, datetime

from django.db.models import TextChoices


class Status(TextChoices):
    """PENDING <-> RUNNING -> SUCCEEDED | FAILED; PENDING | RUNNING -> CANCELLED.

    RUNNING returns to PENDING only if the provider was busy and accepted nothing.
    SUCCEEDED, FAILED and CANCELLED are final.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ACTIVE = (Status.PENDING, Status.RUNNING)
# The `next_step_at` of a held PENDING job: it is never due, so no worker claims it.
HELD = datetime(9999, 1, 1, tzinfo=UTC)
FINAL = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


class Stage(TextChoices):
    """The stage of a RUNNING job: SUBMITTING -> GENERATING -> STORING. Blank for other jobs."""

    SUBMITTING = "submitting"
    GENERATING = "generating"
    STORING = "storing"
