"""The data that the order of the waiting line depends on."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import models


class Turn(models.Model):
    """When a job of this user was last started; waiting users take turns by it.

    No row, or NULL, means never. `turns` maintains it.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    served_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"served at {self.served_at}"


@dataclass(frozen=True)
class Starts:
    """The jobs of one user that one claim starts, and the user's `served_at` before it."""

    before: datetime | None
    times: dict[UUID, datetime] = field(default_factory=dict)  # by job
    refused: set[UUID] = field(default_factory=set)  # the jobs that do not count as started


class LineSnapshot(models.Model):
    """A single row: the places of some jobs in a long waiting line; see `stats.waiting_line`."""

    numbered_at = models.DateTimeField()
    marks = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"numbered at {self.numbered_at}"
