"""An outbox of the videos that must be deleted from the storage."""

from django.db import models


class VideoRemoval(models.Model):
    """The video and the poster of one job. The row is deleted once the storage has neither.

    `next_try_at` serves as due time and lease. There is no foreign key to the job, because the
    videos of deleted jobs are deleted too. `is_bulk`: one of many that were removed together; they
    wait until nothing else is due.
    """

    class Cause(models.TextChoices):
        OWNER = "owner", "the owner removed it"
        STAFF = "staff", "taken down by staff"
        AGE = "age", "its time was over"
        ACCOUNT = "account", "the account was deleted"
        UNUSED = "unused", "its job ended without it"

    job_id = models.UUIDField(unique=True)
    name = models.CharField(
        max_length=200, help_text="Of the video at the storage, without ending."
    )
    is_local = models.BooleanField(help_text="On this server's disk, not at Cloudinary.")
    cause = models.CharField(max_length=10, choices=Cause)
    is_bulk = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index(fields=["is_bulk", "next_try_at"], name="removal_next_try")]

    def __str__(self) -> str:
        return f"video of job {self.job_id}"
