"""The statuses of a job, and the stages of one that runs."""

from django.db.models import TextChoices


class Status(TextChoices):
    """PENDING <-> RUNNING -> SUCCEEDED | FAILED; PENDING | RUNNING -> CANCELLED.

    RUNNING goes back to PENDING only while the provider has taken nothing (it was busy).
    Nothing leaves the last three.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ACTIVE = (Status.PENDING, Status.RUNNING)


class Stage(TextChoices):
    """What a RUNNING job is at: SUBMITTING -> GENERATING -> STORING. Blank for all other jobs."""

    SUBMITTING = "submitting"
    GENERATING = "generating"
    STORING = "storing"
