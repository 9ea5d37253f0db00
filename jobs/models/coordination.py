"""Single rows that the workers of all clusters share."""

from django.db import models


class Tick(models.Model):
    """A single row: the token that the next tick must carry, and when that tick is due."""

    token = models.PositiveBigIntegerField(default=0)
    next_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"tick {self.token}"


class SubmissionGate(models.Model):
    """A single row. A worker locks it to start jobs, so that limits apply across all clusters."""

    opens_at = models.DateTimeField(help_text="The provider asked for a pause until then.")
    looked_at = models.DateTimeField(
        null=True, help_text="When a worker last checked which jobs can start."
    )

    def __str__(self) -> str:
        return f"open from {self.opens_at}"
