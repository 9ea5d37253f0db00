"""What clients get, and what they may ask of lists."""

from datetime import datetime

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from accounts.api.serializers import ProblemSerializer
from jobs import estimates
from jobs.api.fields import StatusField
from jobs.models import JobEvent, Status, VideoJob
from tokens_ledger.api.paging import PageSerializer


class InputsSerializer(serializers.Serializer):
    initialImage = serializers.BooleanField(source="has_initial_image")
    endFrame = serializers.BooleanField(source="has_end_frame")
    referenceImages = serializers.IntegerField(source="reference_image_count")


class LogLineSerializer(serializers.ModelSerializer):
    timestamp = serializers.DateTimeField(source="created_at")

    class Meta:
        model = JobEvent
        fields = ("timestamp", "level", "message")


class VideoJobSerializer(serializers.Serializer):
    """The whole job: every answer that holds a job shows all of it."""

    # Needs `log` on the job (the lines that clients may see), and in the context `request`, `now`
    # and `positions` (of PENDING jobs, by id).

    id = serializers.UUIDField()
    userId = serializers.CharField(source="user_id", help_text="Whose job it is.")
    prompt = serializers.SerializerMethodField()
    model = serializers.CharField()
    resolution = serializers.CharField()
    aspectRatio = serializers.CharField(source="aspect_ratio")
    durationSeconds = serializers.IntegerField(source="duration_seconds")
    generateAudio = serializers.BooleanField(source="generate_audio")
    mockMode = serializers.BooleanField(source="mock_mode")
    inputs = InputsSerializer(source="*", help_text="Which images were sent.")
    status = serializers.ChoiceField(choices=Status.choices)
    statusMessage = serializers.CharField(source="status_message", help_text="For a person.")
    progressPercentage = serializers.IntegerField(
        source="progress_percentage",
        help_text="0 to 100, never falling. An estimate from the elapsed time; 100 once stored.",
    )
    logs = LogLineSerializer(source="log", many=True, help_text="Oldest first.")
    tokensConsumed = serializers.IntegerField(source="tokens_consumed")
    tokensRefunded = serializers.IntegerField(source="tokens_refunded")
    cloudinaryUrl = serializers.SerializerMethodField(help_text="The video, once SUCCEEDED.")
    posterUrl = serializers.SerializerMethodField(help_text="A JPEG of the first frame.")
    errorMessage = serializers.SerializerMethodField(help_text="Why it FAILED, for a person.")
    errorCode = serializers.SerializerMethodField(help_text="Why it FAILED, for a program.")
    queuePosition = serializers.SerializerMethodField(help_text="0 is next; only while PENDING.")
    estimatedSecondsRemaining = serializers.SerializerMethodField(
        help_text="From the median of recent jobs; null when unknown."
    )
    createdAt = serializers.DateTimeField(source="created_at")
    startedAt = serializers.DateTimeField(source="started_at", allow_null=True)
    completedAt = serializers.DateTimeField(source="completed_at", allow_null=True)

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
    jobs = VideoJobSerializer(many=True)
    total = serializers.IntegerField(help_text="How many the filter matches.")


class ListQuerySerializer(PageSerializer):
    status_filter = StatusField(
        "Status filter", Status.values, required=False, help_text="One status, in any case."
    )


class ModelInputsSerializer(serializers.Serializer):
    initialImage = serializers.IntegerField(help_text="At most so many.")
    endFrame = serializers.IntegerField()
    referenceImages = serializers.IntegerField()


class ModelSerializer(serializers.Serializer):
    id = serializers.CharField()
    durations = serializers.ListField(child=serializers.IntegerField(), help_text="Seconds.")
    resolutions = serializers.ListField(child=serializers.CharField())
    aspectRatios = serializers.ListField(child=serializers.CharField())
    inputs = ModelInputsSerializer(help_text="The most of each that one job may bring.")
    tokenCost = serializers.IntegerField()


@extend_schema_serializer(many=False)
class ModelListSerializer(serializers.Serializer):
    models = ModelSerializer(many=True)


class ShortOfTokensSerializer(serializers.Serializer):
    class Detail(serializers.Serializer):
        message = serializers.CharField()
        cost = serializers.IntegerField()
        availableTokens = serializers.IntegerField()

    detail = Detail()
    code = serializers.CharField()


class TooManyActiveJobsSerializer(ProblemSerializer):
    activeJobs = serializers.IntegerField(required=False)
    limit = serializers.IntegerField(required=False)
    estimatedWaitSeconds = serializers.IntegerField(required=False, allow_null=True)


def etag(*, job: VideoJob, position: int | None, now: datetime) -> str:
    """Changes whenever anything in the job's answer does; costs no look at its log."""
    left = estimates.remaining_seconds(job=job, queue_position=position, now=now)
    return f'"{job.pk.hex}-{job.version}-{position}-{left}"'
