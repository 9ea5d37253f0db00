"""What belongs to one job: its input images, its log, the idempotency key of its request."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.models.video_job import VideoJob


class JobImage(models.Model):
    """An input image, stored until its job ends: web and workers share only the database."""

    class Role(models.TextChoices):
        INITIAL = "initialImage"
        END = "endFrame"
        REFERENCE = "referenceImages"

    job = models.ForeignKey(
        VideoJob, on_delete=models.CASCADE, related_name="images", db_index=False
    )
    role = models.CharField(max_length=16, choices=Role)
    position = models.PositiveSmallIntegerField(default=0)
    content = models.BinaryField()
    mime_type = models.CharField(max_length=32)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64, help_text="Of the uploaded file.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "role", "position"], name="image_once_a_place")
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.position} of {self.job_id}"


class JobEvent(models.Model):
    """A line of a job's log. `internal` lines, `detail` and `actor` are for staff only."""

    class Level(models.TextChoices):
        DEBUG = "debug"
        INFO = "info"
        WARNING = "warning"
        ERROR = "error"

    job = models.ForeignKey(
        VideoJob, on_delete=models.CASCADE, related_name="events", db_index=False
    )
    created_at = models.DateTimeField()
    level = models.CharField(max_length=8, choices=Level, default=Level.INFO)
    message = models.CharField(max_length=300)
    internal = models.BooleanField(default=False)
    detail = models.TextField(blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The member of staff; empty if the service wrote it.",
    )

    class Meta:
        indexes = [
            models.Index(fields=["job", "id"], name="event_of_job"),
            models.Index(
                fields=["actor", "-created_at"],
                condition=Q(actor__isnull=False),
                name="event_by_staff",
            ),
        ]

    def __str__(self) -> str:
        return self.message


class IdempotencyKey(models.Model):
    """A client's key, the fingerprint of its request, and the job created, deleted or not."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    job_id = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once_a_user")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return self.key
