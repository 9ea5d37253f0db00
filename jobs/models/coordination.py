"""Rows that coordinate the processes of all machines."""

from datetime import datetime

from django.db import models
from django.db.models import JSONField, Value


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
    database = models.CharField(
        max_length=32,
        default="",
        db_default="",
        help_text="Numbers of the server and this table. Others mean a restored database.",
    )

    # db_default, because processes of the previous version insert rows without it.
    refused = models.JSONField(
        default=list,
        db_default=Value([], JSONField()),
        help_text="When the provider refused submissions in the last minute, in Unix time.",
    )

    def __str__(self) -> str:
        return f"open from {self.opens_at}"

    def refused_lately(self, *, now: datetime) -> list[float]:
        """The part of `refused` that is less than a minute old."""
        return [at for at in self.refused if abs(now.timestamp() - at) < 60]


class UnavailableModel(models.Model):
    """A model for which Google answered 404. `model_availability` maintains it.

    Orders of it are refused until `next_probe_at`. Then one order, `probe`, is accepted.
    """

    google_id = models.TextField(primary_key=True)
    since = models.DateTimeField()
    next_probe_at = models.DateTimeField()
    probe = models.UUIDField(null=True, help_text="The job that tries whether Google accepts it.")
    cause = models.TextField(blank=True, help_text="Google's own text.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.google_id


class Heartbeat(models.Model):
    """A running web process or cluster. `stats.processes` writes it every few seconds."""

    class Kind(models.TextChoices):
        WEB = "web"
        CLUSTER = "cluster"

    kind = models.CharField(max_length=8, choices=Kind)
    host = models.CharField(max_length=64)
    pid = models.PositiveBigIntegerField()
    version = models.CharField(max_length=12, help_text="A hash of the code.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["kind", "host", "pid"], name="heartbeat_of_process")
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class PeriodicTask(models.Model):
    """The last run of a task that the clusters repeat. `stats.periodic` writes it."""

    name = models.CharField(max_length=32, primary_key=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True, help_text="The end of the last success.")
    failed_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=100, blank=True, help_text="The last exception's name.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name

    @property
    def has_failed(self) -> bool:
        """Whether the last run that ended failed."""
        if not self.failed_at:
            return False
        return self.finished_at is None or self.finished_at <= self.failed_at

    @property
    def outcome(self) -> str:
        """Of the last run: "ok", "failed", "not ended" (it runs, or was killed) or "never ran"."""
        if not self.started_at:
            return "never ran"
        ends = [end for end in (self.finished_at, self.failed_at) if end]
        if not ends or max(ends) < self.started_at:
            return "not ended"
        return "failed" if self.has_failed else "ok"
