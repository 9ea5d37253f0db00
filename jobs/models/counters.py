"""Numbers that are maintained, because counting the jobs would take too long."""

from django.conf import settings
from django.db import models


class JobCount(models.Model):
    """How many jobs a user has, in all and of each final status. No row means none.

    `stats.job_totals` maintains it. Active jobs are few, and counted when they are needed.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    jobs = models.IntegerField()
    # db_default, because processes of the previous version insert rows without them.
    succeeded = models.IntegerField(default=0, db_default=0)
    failed = models.IntegerField(default=0, db_default=0)
    cancelled = models.IntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return str(self.jobs)


class Tally(models.Model):
    """A counter for the metrics. It only increases, even when jobs are deleted."""

    name = models.CharField(max_length=32)
    kind = models.CharField(max_length=32)
    value = models.CharField(max_length=64)
    count = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(fields=["name", "kind", "value"], name="tally_once_a_thing")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.kind} {self.value}"
