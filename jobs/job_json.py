"""A job as JSON, for the responses of the API and for webhooks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.failures import ERROR_CODES
from jobs.models import JobEvent, Status, VideoJob
from jobs.stats import estimates
from videostudio.core.api.fields import TextOrNull

SEED = {"type": "integer", "format": "int64", "nullable": True}


@extend_schema_field({"type": "string", "x-extensible-enum": list(ERROR_CODES)})
class ErrorCodeField(TextOrNull):
    """Open: a later version may add codes."""


class VideoJobInputsSerializer(serializers.Serializer):
    initialImage = serializers.BooleanField(
        source="has_initial_image", help_text="The first frame was sent."
    )
    endFrame = serializers.BooleanField(
        source="has_end_frame", help_text="The last frame was sent."
    )
    referenceImages = serializers.IntegerField(
        source="reference_image_count", help_text="How many were sent."
    )


class VideoJobLogLineSerializer(serializers.Serializer):
    timestamp = serializers.DateTimeField(source="created_at", help_text="In UTC.")
    level = serializers.ChoiceField(choices=JobEvent.Level.choices, help_text="How severe it is.")
    message = serializers.CharField(help_text="For a person.")


@dataclass(frozen=True)
class ShownJob:
    """A job, and the other data of its JSON. `position` is the queue position of a PENDING job.

    The job has `log`: the lines that clients may see. `absolute` makes an absolute URL of a path.
    """

    job: VideoJob
    position: int | None
    now: datetime
    absolute: Callable[[str], str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.job, name)


class VideoJobSerializer(serializers.Serializer):
    """A job. Every response with a job contains all of these fields."""

    # Serializes a `ShownJob`.

    id = serializers.UUIDField(help_text="The last part of the job's path.")
    userId = serializers.CharField(source="user_id", help_text="The job's owner.")
    clientReference = TextOrNull(
        source="client_reference", help_text="As requested, trimmed; null if none was sent."
    )
    prompt = TextOrNull(help_text="As requested, trimmed; null if only an image was sent.")
    negativePrompt = TextOrNull(
        source="negative_prompt", help_text="As requested, trimmed; null if none was sent."
    )
    model = serializers.CharField(help_text="As requested.")
    resolution = serializers.CharField(help_text="`720p` or `1080p`.")
    aspectRatio = serializers.CharField(source="aspect_ratio", help_text="`16:9` or `9:16`.")
    durationSeconds = serializers.IntegerField(
        source="duration_seconds", help_text="How long the video is."
    )
    generateAudio = serializers.BooleanField(source="generate_audio", help_text="With sound.")
    seed = serializers.SerializerMethodField(help_text="As requested; null if none was sent.")
    mockMode = serializers.BooleanField(
        source="mock_mode", help_text="A sample; Google was not called."
    )
    private = serializers.BooleanField(help_text="The public monitor only counts the job.")
    inputs = VideoJobInputsSerializer(source="*", help_text="Which images were sent.")
    status = serializers.ChoiceField(
        choices=Status.choices,
        help_text="PENDING and RUNNING are active; the other three are final.",
    )
    statusMessage = serializers.CharField(source="status_message", help_text="For a person.")
    progressPercentage = serializers.IntegerField(
        source="progress_percentage",
        help_text="0 to 100, never falling. An estimate from the elapsed time; 100 once stored.",
    )
    logs = VideoJobLogLineSerializer(source="log", many=True, help_text="Oldest first.")
    tokensConsumed = serializers.IntegerField(
        source="tokens_consumed", help_text="Charged when it was created."
    )
    tokensRefunded = serializers.IntegerField(
        source="tokens_refunded", help_text="How many of them were refunded."
    )
    cloudinaryUrl = serializers.SerializerMethodField(
        help_text="The video, once SUCCEEDED and until it is removed."
    )
    posterUrl = serializers.SerializerMethodField(help_text="A JPEG of the first frame.")
    errorMessage = TextOrNull(source="error_message", help_text="Why it FAILED, for a person.")
    errorCode = ErrorCodeField(source="error_code", help_text="Why it FAILED, for a program.")
    queuePosition = serializers.IntegerField(
        source="position", allow_null=True, help_text="0 is next; only while PENDING."
    )
    estimatedSecondsRemaining = serializers.SerializerMethodField(
        help_text="From the median of recent jobs; null when unknown."
    )
    createdAt = serializers.DateTimeField(source="created_at", help_text="In UTC.")
    startedAt = serializers.DateTimeField(
        source="started_at", allow_null=True, help_text="When a worker started it."
    )
    completedAt = serializers.DateTimeField(
        source="completed_at", allow_null=True, help_text="When the job ended, with any status."
    )

    videoRemovedAt = serializers.DateTimeField(
        source="video_removed_at", allow_null=True, help_text="When its video was removed."
    )
    videoRemovedReason = TextOrNull(
        source="video_removed_reason", help_text="`owner`, `age`, or the reason that support gave."
    )

    @extend_schema_field(SEED)
    def get_seed(self, shown: ShownJob) -> int | None:
        return shown.job.seed

    def get_cloudinaryUrl(self, shown: ShownJob) -> str | None:
        return shown.absolute(shown.job.video_url) if shown.job.video_url else None

    def get_posterUrl(self, shown: ShownJob) -> str | None:
        return shown.absolute(shown.job.poster_url) if shown.job.poster_url else None

    def get_estimatedSecondsRemaining(self, shown: ShownJob) -> int | None:
        return estimates.remaining_seconds(
            job=shown.job, queue_position=shown.position, now=shown.now
        )
