"""What the workers of all clusters share."""

from django.conf import settings
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


class Turn(models.Model):
    """When a job of this user was last started; waiting users take turns by it.

    No row, or NULL, means never. `turns` maintains it.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    served_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"served at {self.served_at}"
