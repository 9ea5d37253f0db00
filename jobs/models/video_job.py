"""The jobs. Only `lifecycle` changes a job's status; constraints guard it."""

import uuid
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from jobs.catalog import MAX_SEED, VideoSpec
from jobs.models.waiting_line import Starts
from jobs.querysets import VideoJobQuerySet
from jobs.statuses import ACTIVE, Stage, Status

if TYPE_CHECKING:
    from jobs.models.job_parts import JobEvent

# Maps the fields of a VideoSpec to the columns that hold them.
SPEC_COLUMNS = {field.name: field.name for field in fields(VideoSpec)} | {
    "initial_image": "has_initial_image",
    "end_frame": "has_end_frame",
    "reference_images": "reference_image_count",
}

TEXTS = ("prompt", "negative_prompt")  # "" in the table, None in a VideoSpec


def _newest_first(name: str, **condition: Any) -> models.Index:
    return models.Index(fields=["-created_at", "-id"], condition=Q(**condition), name=name)


class VideoJob(models.Model):
    """One requested video.

    `next_step_at` serves as due time, lease, back-off and crash recovery. NULL means that the job
    has ended, and HELD that staff must decide first. `crash_count` is incremented when a step is
    claimed and reset when it ends, so it counts steps that killed their worker. `version` is
    incremented by every change that a client can see.
    """

    CLIENT_REFERENCE_LENGTH = 255
    ORIGIN_LENGTH = 300
    REMOVED_REASON_LENGTH = 500

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="video_jobs",
        db_index=False,  # here and below: another index begins with this column
    )

    # The request
    prompt = models.TextField(blank=True)
    model = models.CharField(max_length=64)
    resolution = models.CharField(max_length=8)
    aspect_ratio = models.CharField(max_length=8)
    duration_seconds = models.PositiveSmallIntegerField(help_text="Length of the video.")
    generate_audio = models.BooleanField(default=False)
    mock_mode = models.BooleanField(default=False)
    has_initial_image = models.BooleanField(default=False)
    has_end_frame = models.BooleanField(default=False)
    reference_image_count = models.PositiveSmallIntegerField(default=0)

    # db_default, here and below: processes of the previous version insert rows without the column.
    negative_prompt = models.TextField(
        blank=True, default="", db_default="", help_text="What the video should not show."
    )
    seed = models.BigIntegerField(
        null=True, blank=True, help_text="Google makes similar videos of the same request and seed."
    )
    client_reference = models.CharField(
        max_length=CLIENT_REFERENCE_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text="The client's own name for the job.",
    )

    private = models.BooleanField(
        default=False, db_default=False, help_text="The public monitor only counts the job."
    )

    webhook_url = models.CharField(
        max_length=2_000,
        blank=True,
        default="",
        db_default="",
        help_text="Where the job's end is sent, in place of the account's webhook.",
    )
    origin = models.CharField(
        max_length=ORIGIN_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text="The scheme and host of the order, such as https://studio.example.com.",
    )
    # As text, so that it outlives the key's row.
    api_key_prefix = models.CharField(
        max_length=12,
        blank=True,
        default="",
        db_default="",
        help_text="The prefix of the API key with which the job was ordered.",
    )

    # The state that clients see
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    status_message = models.CharField(max_length=200)
    progress_percentage = models.PositiveSmallIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.CharField(max_length=300, blank=True)
    tokens_consumed = models.PositiveIntegerField(default=0)
    tokens_refunded = models.PositiveIntegerField(default=0)
    expected_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Time from start to end, estimated from recent jobs."
    )
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)

    # Processing; never shown to clients
    stage = models.CharField(max_length=16, choices=Stage, blank=True)
    next_step_at = models.DateTimeField(null=True, blank=True)
    failure_count = models.PositiveIntegerField(
        default=0, db_column="attempts", help_text="Consecutive failures at this stage."
    )
    crash_count = models.PositiveSmallIntegerField(
        default=0, db_column="unanswered", help_text="Consecutive steps whose worker died."
    )
    operation = models.CharField(
        max_length=300, blank=True, help_text="The provider's name for the video."
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    generated_at = models.DateTimeField(null=True, blank=True)

    # The stored video; a URL is relative if this server delivers it
    video_name = models.CharField(max_length=200, blank=True)
    video_url = models.CharField(max_length=500, blank=True)
    poster_url = models.CharField(max_length=500, blank=True)
    video_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    # Since then both URLs are empty.
    video_removed_at = models.DateTimeField(null=True, blank=True)
    video_removed_reason = models.CharField(
        max_length=REMOVED_REASON_LENGTH, blank=True, default="", db_default=""
    )

    rerun_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="reruns",
        db_column="made_from_id",
        db_index=False,
        help_text="The job that staff retried or fetched again.",
    )

    log: "Sequence[JobEvent]"  # the events that clients may see, if prefetched
    starts: Starts | None = None  # set by the claim that starts the job; see `turns`

    objects = VideoJobQuerySet.as_manager()

    class Meta:
        permissions = [
            ("refund_videojob", "Can refund a job's tokens"),
            ("cancel_videojob", "Can cancel a job"),
            ("retry_videojob", "Can have a job done again"),
            ("fetch_videojob", "Can fetch a job's video again"),
            ("fail_videojob", "Can mark a job as failed and refund it"),
            ("export_videojob", "Can export jobs"),
            ("resend_videojob", "Can send a job's webhook again"),
            ("take_down_videojob", "Can take down a job's video"),
            ("run_videojob", "Can run a held job"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="job_status_known"),
            models.CheckConstraint(
                condition=Q(progress_percentage__lte=100), name="job_progress_at_most_100"
            ),
            models.CheckConstraint(
                condition=Q(status__in=ACTIVE, next_step_at__isnull=False, completed_at=None)
                | (~Q(status__in=ACTIVE) & Q(next_step_at=None, completed_at__isnull=False)),
                name="job_active_has_next_step",
            ),
            models.CheckConstraint(
                condition=(Q(status=Status.RUNNING) & ~Q(stage=""))
                | (~Q(status=Status.RUNNING) & Q(stage="")),
                name="job_running_has_stage",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.SUCCEEDED)
                | ~Q(video_url="")
                | Q(video_removed_at__isnull=False),
                name="job_succeeded_has_video",
            ),
            models.CheckConstraint(
                condition=Q(tokens_refunded__lte=F("tokens_consumed")),
                name="job_refund_at_most_charge",
            ),
            models.CheckConstraint(
                condition=Q(seed__range=(0, MAX_SEED)), name="job_seed_in_range"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="job_of_user_newest_first"),
            models.Index(
                fields=["user", "status", "-created_at", "-id"], name="job_of_user_by_status"
            ),
            models.Index(
                fields=["user", "client_reference", "-created_at", "-id"],
                condition=~Q(client_reference=""),
                name="job_of_user_by_reference",
            ),
            models.Index(fields=["-created_at", "-id"], name="job_newest_first"),
            models.Index(
                fields=["stage", "next_step_at"],
                # Not on status: the planner would then use this index for a user's active jobs.
                condition=Q(next_step_at__isnull=False),
                name="job_next_step",
            ),
            models.Index(
                fields=["created_at"],
                condition=Q(stage="", next_step_at__isnull=False),
                name="job_oldest_waiting",
            ),
            models.Index(
                fields=["user", "status"], condition=Q(status__in=ACTIVE), name="job_active_of_user"
            ),
            models.Index(
                fields=["started_at"], condition=Q(started_at__isnull=False), name="job_started"
            ),
            models.Index(
                fields=["mock_mode", "-completed_at"],
                condition=Q(status=Status.SUCCEEDED),
                name="job_recent_successes",
            ),
            models.Index(
                fields=["error_code", "-created_at"],
                condition=Q(status=Status.FAILED),
                name="job_failures_by_code",
            ),
            models.Index(fields=["operation"], condition=~Q(operation=""), name="job_of_operation"),
            models.Index(fields=["completed_at"], condition=~Q(video_url=""), name="job_video_age"),
            # For the monitor, which may have to find a few public jobs among many private ones.
            models.Index(
                fields=["-completed_at", "-id"],
                condition=Q(private=False, completed_at__isnull=False),
                name="job_public_ended",
            ),
            models.Index(
                fields=["-status", "-created_at", "-id"],
                condition=Q(private=False, status__in=ACTIVE),
                name="job_public_by_status",
            ),
            # For the filters of the staff's list.
            _newest_first("job_private", private=True),
            models.Index(fields=["model", "-created_at", "-id"], name="job_of_model"),
            _newest_first("job_free", tokens_consumed=0),
            _newest_first("job_refunded", tokens_refunded__gt=0),
            _newest_first("job_mock", mock_mode=True),
            _newest_first("job_cancelled", status=Status.CANCELLED),
            models.Index(
                fields=["rerun_of"], condition=Q(rerun_of__isnull=False), name="job_made_again"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def from_spec(cls, spec: VideoSpec, **columns: Any) -> "VideoJob":
        """An unsaved job for `spec`."""
        requested = {column: getattr(spec, name) for name, column in SPEC_COLUMNS.items()}
        texts = {name: requested[name] or "" for name in TEXTS}
        return cls(**requested | texts | columns)

    @property
    def spec(self) -> VideoSpec:
        """The request."""
        requested = {name: getattr(self, column) for name, column in SPEC_COLUMNS.items()}
        texts = {name: requested[name] or None for name in TEXTS}
        return VideoSpec(**requested | texts)

    @property
    def has_input_images(self) -> bool:
        """Whether the request included images; their rows are deleted when the job ends."""
        return self.has_initial_image or self.has_end_frame or self.reference_image_count > 0
