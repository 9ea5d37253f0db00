"""Serializers for responses, and for the query of a list."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request

from jobs.failures import ERROR_CODES
from jobs.models import JobEvent, Status, VideoJob
from jobs.stats import estimates
from videostudio.core.api.fields import ChoicesField, DigitsField
from videostudio.core.api.openapi import ProblemSerializer
from videostudio.core.api.pagination import CursorField, PageSerializer, same_message
from videostudio.core.api.strict import StrictQuerySerializer

ERROR_CODE = {"type": "string", "nullable": True, "x-extensible-enum": list(ERROR_CODES)}


@extend_schema_serializer(component_name="VideoJobInputs")
class InputsSerializer(serializers.Serializer):
    initialImage = serializers.BooleanField(
        source="has_initial_image", help_text="The first frame was sent."
    )
    endFrame = serializers.BooleanField(
        source="has_end_frame", help_text="The last frame was sent."
    )
    referenceImages = serializers.IntegerField(
        source="reference_image_count", help_text="How many were sent."
    )


@extend_schema_serializer(component_name="VideoJobLogLine")
class LogLineSerializer(serializers.Serializer):
    timestamp = serializers.DateTimeField(source="created_at", help_text="In UTC.")
    level = serializers.ChoiceField(choices=JobEvent.Level.choices, help_text="How severe it is.")
    message = serializers.CharField(help_text="For a person.")


@dataclass(frozen=True)
class ShownJob:
    """A job, and what its JSON needs besides the row. `position` is that of a PENDING job.

    The job has `log`: the lines that clients may see.
    """

    job: VideoJob
    position: int | None
    now: datetime
    request: Request

    def __getattr__(self, name: str) -> Any:
        return getattr(self.job, name)


class VideoJobSerializer(serializers.Serializer):
    """A job. Every response with a job contains all of these fields."""

    # Serializes a `ShownJob`.

    id = serializers.UUIDField(help_text="The last part of the job's path.")
    userId = serializers.CharField(source="user_id", help_text="The job's owner.")
    clientReference = serializers.SerializerMethodField(
        help_text="As requested, trimmed; null if none was sent."
    )
    prompt = serializers.SerializerMethodField(
        help_text="As requested, trimmed; null if only an image was sent."
    )
    model = serializers.CharField(help_text="As requested.")
    resolution = serializers.CharField(help_text="`720p` or `1080p`.")
    aspectRatio = serializers.CharField(source="aspect_ratio", help_text="`16:9` or `9:16`.")
    durationSeconds = serializers.IntegerField(
        source="duration_seconds", help_text="How long the video is."
    )
    generateAudio = serializers.BooleanField(source="generate_audio", help_text="With sound.")
    mockMode = serializers.BooleanField(
        source="mock_mode", help_text="A sample; Google was not called."
    )
    inputs = InputsSerializer(source="*", help_text="Which images were sent.")
    status = serializers.ChoiceField(
        choices=Status.choices,
        help_text="PENDING and RUNNING are active; the other three are final.",
    )
    statusMessage = serializers.CharField(source="status_message", help_text="For a person.")
    progressPercentage = serializers.IntegerField(
        source="progress_percentage",
        help_text="0 to 100, never falling. An estimate from the elapsed time; 100 once stored.",
    )
    logs = LogLineSerializer(source="log", many=True, help_text="Oldest first.")
    tokensConsumed = serializers.IntegerField(
        source="tokens_consumed", help_text="Charged when it was created."
    )
    tokensRefunded = serializers.IntegerField(
        source="tokens_refunded", help_text="How many of them were refunded."
    )
    cloudinaryUrl = serializers.SerializerMethodField(help_text="The video, once SUCCEEDED.")
    posterUrl = serializers.SerializerMethodField(help_text="A JPEG of the first frame.")
    errorMessage = serializers.SerializerMethodField(help_text="Why it FAILED, for a person.")
    errorCode = serializers.SerializerMethodField(help_text="Why it FAILED, for a program.")
    queuePosition = serializers.SerializerMethodField(help_text="0 is next; only while PENDING.")
    estimatedSecondsRemaining = serializers.SerializerMethodField(
        help_text="From the median of recent jobs; null when unknown."
    )
    createdAt = serializers.DateTimeField(source="created_at", help_text="In UTC.")
    startedAt = serializers.DateTimeField(
        source="started_at", allow_null=True, help_text="When a worker started it."
    )
    completedAt = serializers.DateTimeField(
        source="completed_at", allow_null=True, help_text="When it ended, whatever the status."
    )

    def get_clientReference(self, shown: ShownJob) -> str | None:
        return shown.job.client_reference or None

    def get_prompt(self, shown: ShownJob) -> str | None:
        return shown.job.prompt or None

    def get_cloudinaryUrl(self, shown: ShownJob) -> str | None:
        return _absolute(shown.job.video_url, shown.request)

    def get_posterUrl(self, shown: ShownJob) -> str | None:
        return _absolute(shown.job.poster_url, shown.request)

    def get_errorMessage(self, shown: ShownJob) -> str | None:
        return shown.job.error_message or None

    @extend_schema_field(ERROR_CODE)
    def get_errorCode(self, shown: ShownJob) -> str | None:
        return shown.job.error_code or None

    def get_queuePosition(self, shown: ShownJob) -> int | None:
        return shown.position

    def get_estimatedSecondsRemaining(self, shown: ShownJob) -> int | None:
        return estimates.remaining_seconds(
            job=shown.job, queue_position=shown.position, now=shown.now
        )


def _absolute(url: str, request: Request) -> str | None:
    return request.build_absolute_uri(url) if url else None


@extend_schema_serializer(many=False)
class VideoJobListSerializer(serializers.Serializer):
    jobs = VideoJobSerializer(many=True, help_text="Newest first.")
    total = serializers.IntegerField(help_text="The number of jobs that match the filter.")
    nextCursor = serializers.CharField(
        allow_null=True, help_text="For `after`: the next page; null on the last page."
    )
    hasMore = serializers.BooleanField(help_text="Whether there is a next page.")


class ListQuerySerializer(PageSerializer):
    status_filter = ChoicesField(
        "Status filter",
        Status.values,
        fold=str.upper,
        required=False,
        help_text="One or several statuses, separated by commas: `PENDING,RUNNING`.",
    )
    client_reference = serializers.CharField(
        required=False,
        max_length=VideoJob.CLIENT_REFERENCE_LENGTH,
        error_messages=same_message("Client reference must be 1 to 255 characters"),
        help_text="Only jobs with this `clientReference`.",
    )
    after = CursorField(
        datetime, UUID, required=False, help_text="The `nextCursor` of the page before."
    )


@extend_schema_serializer(component_name="VideoModelInputs")
class ModelInputsSerializer(serializers.Serializer):
    initialImage = serializers.IntegerField(help_text="Maximum number.")
    endFrame = serializers.IntegerField(help_text="Maximum number.")
    referenceImages = serializers.IntegerField(help_text="Maximum number.")


@extend_schema_serializer(component_name="VideoModel")
class ModelSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="For `model` in a request.")
    durations = serializers.ListField(child=serializers.IntegerField(), help_text="Seconds.")
    resolutions = serializers.ListField(
        child=serializers.CharField(), help_text="For `resolution`."
    )
    aspectRatios = serializers.ListField(
        child=serializers.CharField(), help_text="For `aspectRatio`."
    )
    inputs = ModelInputsSerializer(help_text="How many of each one job may include.")
    tokenCost = serializers.IntegerField(help_text="Charged for each job.")


@extend_schema_serializer(many=False, component_name="VideoModelList")
class ModelListSerializer(serializers.Serializer):
    models = ModelSerializer(many=True, help_text="All models.")


@extend_schema_serializer(component_name="InsufficientTokensProblem")
class ShortOfTokensSerializer(serializers.Serializer):
    @extend_schema_serializer(component_name="InsufficientTokensDetail")
    class Detail(serializers.Serializer):
        message = serializers.CharField(help_text="A sentence for a person.")
        cost = serializers.IntegerField(help_text="The cost in tokens.")
        availableTokens = serializers.IntegerField(help_text="Your balance in tokens.")

    detail = Detail(help_text="In this response only, an object.")
    code = serializers.CharField(help_text="An identifier for a program.")
    help = serializers.CharField(
        required=False, help_text="How to get tokens, where the operator says so."
    )


@extend_schema_serializer(component_name="TooManyActiveJobsProblem")
class TooManyActiveJobsSerializer(ProblemSerializer):
    """429. The numbers are present for too many active jobs, not for too many requests."""

    activeJobs = serializers.IntegerField(required=False, help_text="Yours, PENDING and RUNNING.")
    limit = serializers.IntegerField(required=False, help_text="The maximum number of active jobs.")
    estimatedWaitSeconds = serializers.IntegerField(
        required=False, allow_null=True, help_text="Until one of them ends; null when unknown."
    )


@extend_schema_serializer(component_name="TokenBalance")
class TokensSerializer(serializers.Serializer):
    availableTokens = serializers.IntegerField(help_text="Tokens that can be spent now.")
    costs = serializers.DictField(
        child=serializers.IntegerField(), help_text="What each operation costs, in tokens."
    )
    activeJobs = serializers.IntegerField(help_text="Your jobs that are PENDING or RUNNING.")
    activeJobsLimit = serializers.IntegerField(help_text="The maximum number of active jobs.")


class UsageQuerySerializer(StrictQuerySerializer):
    days = DigitsField(
        default=30,
        min_value=1,
        max_value=90,
        help_text="How many days, including today.",
        error_messages=same_message("Days must be a whole number from 1 to 90"),
    )


@extend_schema_serializer(component_name="TokenUsageDay")
class DayUsageSerializer(serializers.Serializer):
    date = serializers.DateField(help_text="A day in UTC.")
    jobs = serializers.IntegerField(help_text="Jobs created, except those deleted since.")
    charges = serializers.IntegerField(help_text="Tokens charged.")
    refunds = serializers.IntegerField(help_text="Tokens refunded.")


@extend_schema_serializer(many=False, component_name="TokenUsage")
class UsageSerializer(serializers.Serializer):
    days = DayUsageSerializer(many=True, help_text="Today first.")
