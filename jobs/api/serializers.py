"""Serializers for responses, and for the query of a list."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from jobs import catalog
from jobs.api.fields import StatusField
from jobs.models import JobEvent, Status, VideoJob
from jobs.stats import estimates
from videostudio.core.api.openapi import ProblemSerializer
from videostudio.core.api.pagination import PageSerializer


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


class LogLineSerializer(serializers.ModelSerializer):
    timestamp = serializers.DateTimeField(source="created_at", help_text="In UTC.")
    level = serializers.ChoiceField(choices=JobEvent.Level.choices, help_text="How severe it is.")
    message = serializers.CharField(help_text="For a person.")

    class Meta:
        model = JobEvent
        fields = ("timestamp", "level", "message")


class VideoJobSerializer(serializers.Serializer):
    """A job. Every response with a job contains all of these fields."""

    # Needs `log` on the job (the lines that clients may see), and in the context `request`, `now`
    # and `positions` (of PENDING jobs, by id).

    id = serializers.UUIDField(help_text="The last part of the job's path.")
    userId = serializers.CharField(source="user_id", help_text="The job's owner.")
    prompt = serializers.SerializerMethodField(
        help_text="As requested, trimmed; null if only an image was sent."
    )
    model = serializers.CharField(help_text="As requested.")
    resolution = serializers.CharField(help_text="`720p` or `1080p`.")
    aspectRatio = serializers.CharField(source="aspect_ratio", help_text="`16:9` or `9:16`.")
    durationSeconds = serializers.ChoiceField(
        source="duration_seconds", choices=catalog.DURATIONS, help_text="How long the video is."
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

    def get_prompt(self, job: VideoJob) -> str | None:
        return job.prompt or None

    def get_cloudinaryUrl(self, job: VideoJob) -> str | None:
        return self._absolute(job.video_url)

    def get_posterUrl(self, job: VideoJob) -> str | None:
        return self._absolute(job.poster_url)

    def get_errorMessage(self, job: VideoJob) -> str | None:
        return job.error_message or None

    def get_errorCode(self, job: VideoJob) -> str | None:
        return job.error_code or None

    def get_queuePosition(self, job: VideoJob) -> int | None:
        return self.context["positions"].get(job.pk)

    def get_estimatedSecondsRemaining(self, job: VideoJob) -> int | None:
        return estimates.remaining_seconds(
            job=job,
            queue_position=self.context["positions"].get(job.pk),
            now=self.context["now"],
        )

    def _absolute(self, url: str) -> str | None:
        return self.context["request"].build_absolute_uri(url) if url else None


@extend_schema_serializer(many=False)
class VideoJobListSerializer(serializers.Serializer):
    jobs = VideoJobSerializer(many=True, help_text="Newest first.")
    total = serializers.IntegerField(help_text="The number of jobs that match the filter.")


class ListQuerySerializer(PageSerializer):
    status_filter = StatusField(
        "Status filter", Status.values, required=False, help_text="One status, in any case."
    )


class ModelInputsSerializer(serializers.Serializer):
    initialImage = serializers.IntegerField(help_text="Maximum number.")
    endFrame = serializers.IntegerField(help_text="Maximum number.")
    referenceImages = serializers.IntegerField(help_text="Maximum number.")


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


@extend_schema_serializer(many=False)
class ModelListSerializer(serializers.Serializer):
    models = ModelSerializer(many=True, help_text="All models.")


class ShortOfTokensSerializer(serializers.Serializer):
    class Detail(serializers.Serializer):
        message = serializers.CharField(help_text="A sentence for a person.")
        cost = serializers.IntegerField(help_text="The cost in tokens.")
        availableTokens = serializers.IntegerField(help_text="Your balance in tokens.")

    detail = Detail(help_text="In this response only, an object.")
    code = serializers.CharField(help_text="An identifier for a program.")


class TooManyActiveJobsSerializer(ProblemSerializer):
    """429. The numbers are present for too many active jobs, not for too many requests."""

    activeJobs = serializers.IntegerField(required=False, help_text="Yours, PENDING and RUNNING.")
    limit = serializers.IntegerField(required=False, help_text="The maximum number of active jobs.")
    estimatedWaitSeconds = serializers.IntegerField(
        required=False, allow_null=True, help_text="Until one of them ends; null when unknown."
    )
