"""What clients send and get. Names and texts are the contract's; the rules come from `catalog`."""

import hashlib
import json
import unicodedata
from datetime import datetime
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import empty

from accounts.api.serializers import ProblemSerializer
from jobs import catalog, estimates, images
from jobs.catalog import Order
from jobs.models import JobEvent, Status, VideoJob
from jobs.providers import veo_is_configured
from jobs.providers.base import Inputs
from tokens_ledger.api.paging import PageSerializer

Messages = dict[str, Any]
KEPT_CONTROLS = "\t\n\r"


def one_of(values: Any) -> str:
    *others, last = [f"'{value}'" for value in values]
    return f"{', '.join(others)} or {last}" if others else last


class ChoiceField(serializers.ChoiceField):
    """One of a few texts; every refusal names them."""

    def __init__(self, what: str, choices: Any, **kwargs: Any) -> None:
        message = f"{what} must be {one_of(choices)}"
        super().__init__(
            choices=list(choices),
            error_messages={"invalid_choice": message, "null": message},
            **kwargs,
        )


class PromptField(serializers.CharField):
    """Text, trimmed; NUL and every other control character but tab and line breaks is refused."""

    def run_validation(self, data: Any = empty) -> Any:
        """Looks before the trimming, which takes some control characters for blanks."""
        if isinstance(data, str):
            if any(unicodedata.category(c) == "Cc" and c not in KEPT_CONTROLS for c in data):
                raise serializers.ValidationError(
                    "Prompt must not contain control characters", code="control_characters"
                )
            if "\N{REPLACEMENT CHARACTER}" in data:  # what Django makes of bytes that are no UTF-8
                raise serializers.ValidationError("Prompt must be valid UTF-8", code="encoding")
        elif data is not None and data is not empty:
            raise serializers.ValidationError("Prompt must be a text", code="invalid")
        return super().run_validation(data) or None


@extend_schema_field(OpenApiTypes.BOOL)
class TrueOrFalse(serializers.Field):
    """`true` or `false`, as JSON or as text in any case; nothing else."""

    def __init__(self, what: str, **kwargs: Any) -> None:
        self.message = f"{what} must be 'true' or 'false'"
        super().__init__(error_messages={"null": self.message}, **kwargs)

    def to_internal_value(self, data: Any) -> bool:
        known = {"true": True, "false": False}.get(str(data).strip().lower())
        if known is None or not isinstance(data, bool | str):
            raise serializers.ValidationError(self.message, code="invalid")
        return known

    def to_representation(self, value: bool) -> bool:
        return value


@extend_schema_field(OpenApiTypes.INT)
class DurationField(serializers.Field):
    """4 or 8, as a number or as text."""

    MESSAGE = "Duration must be 4 or 8 seconds"

    def to_internal_value(self, data: Any) -> int:
        text = str(data).strip()
        for seconds in catalog.DURATIONS:
            if not isinstance(data, bool) and text in (str(seconds), f"{seconds}.0"):
                return seconds
        raise serializers.ValidationError(self.MESSAGE, code="invalid_choice")

    def to_representation(self, value: int) -> int:
        return value


@extend_schema_field(OpenApiTypes.BINARY)
class ImageField(serializers.FileField):
    """An uploaded picture, checked and re-encoded: `images.Image`."""

    def __init__(self, what: str, **kwargs: Any) -> None:
        self.what = what
        messages: Messages = {
            "invalid": f"{what} must be an uploaded file",
            "empty": f"{what} is an empty file",
            "no_name": f"{what} must be an uploaded file with a name",
        }
        super().__init__(error_messages=messages, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        upload = super().to_internal_value(data)
        if upload.size > images.MAX_BYTES:
            raise serializers.ValidationError(f"{self.what} must be at most 10 MB", "too_large")
        try:
            return images.prepare(upload=upload, size=upload.size)
        except images.BadImage as refusal:
            raise serializers.ValidationError(f"{self.what} {refusal}", "image") from refusal


class ReferenceImagesField(serializers.ListField):
    MESSAGE = f"At most {catalog.MAX_REFERENCE_IMAGES} reference images are allowed"

    def to_internal_value(self, data: Any) -> list[images.Image]:
        if isinstance(data, list) and len(data) > catalog.MAX_REFERENCE_IMAGES:
            raise serializers.ValidationError(
                self.MESSAGE, code="max_length"
            )  # before decoding any
        return super().to_internal_value(data)


class NotConfigured(serializers.ValidationError):
    """A real video was asked for where no Google account is set up."""

    code = "provider.not_configured"

    def __init__(self) -> None:
        message = "Real videos are not available on this server, only mockMode 'true' is"
        super().__init__({"mockMode": ErrorDetail(message, self.code)})


class CreateVideoJobSerializer(serializers.Serializer):
    """One order. After `is_valid`: `order`, `inputs` and `fingerprint`."""

    prompt = PromptField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=catalog.MAX_PROMPT_CHARACTERS,
        error_messages={
            "max_length": f"Prompt must be at most {catalog.MAX_PROMPT_CHARACTERS:,} characters"
        },
        help_text="What the video shows. Required unless there is an initial image.",
    )
    model = ChoiceField("Model", catalog.MODELS, help_text="One of `/api/v1/video-models`.")
    resolution = ChoiceField(
        "Resolution", catalog.RESOLUTIONS, help_text="1080p needs a length of 8 seconds."
    )
    aspectRatio = ChoiceField("Aspect ratio", catalog.ASPECT_RATIOS, help_text="Width to height.")
    durationSeconds = DurationField(
        required=False, allow_null=True, help_text="4 or 8 seconds; 8 where it is left out."
    )
    mockMode = TrueOrFalse(
        "Mock mode",
        required=False,
        help_text="true: a sample video from the mock, no call to Google. Required, unless the "
        "operator set a default.",
    )
    generateAudio = TrueOrFalse("Generate audio", default=False, help_text="With sound.")
    initialImage = ImageField(
        "Initial image",
        required=False,
        allow_null=True,
        help_text="First frame: JPEG, PNG or WebP, at most 10 MB and 40 megapixels.",
    )
    endFrame = ImageField(
        "End frame",
        required=False,
        allow_null=True,
        help_text="Last frame; needs an initial image and 8 seconds.",
    )
    referenceImages = ReferenceImagesField(
        child=ImageField("Reference image"),
        required=False,
        allow_null=True,
        help_text="Up to 3 images of what should appear; 8 seconds, 16:9 and a prompt, and "
        "neither initial image nor end frame.",
    )

    order: Order
    inputs: Inputs

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["mockMode"].required = settings.VIDEO_DEFAULT_MOCK_MODE is None

    def is_valid(self, *, raise_exception: bool = False) -> bool:
        """As always; then raises NotConfigured, whose code would get lost among other faults."""
        valid = super().is_valid(raise_exception=raise_exception)
        if valid and not self.order.mock_mode and not veo_is_configured():
            raise NotConfigured
        return valid

    def to_internal_value(self, data: Any) -> dict:
        self._refuse_repeated(data)
        return super().to_internal_value(data)

    def validate(self, attrs: dict) -> dict:
        self.inputs = Inputs(
            initial_image=attrs.get("initialImage"),
            end_frame=attrs.get("endFrame"),
            reference_images=attrs.get("referenceImages") or [],
        )
        self.order = Order(
            prompt=attrs.get("prompt"),
            model=attrs["model"],
            resolution=attrs["resolution"],
            aspect_ratio=attrs["aspectRatio"],
            duration_seconds=attrs.get("durationSeconds") or catalog.DEFAULT_DURATION,
            generate_audio=attrs["generateAudio"],
            mock_mode=bool(attrs.get("mockMode", settings.VIDEO_DEFAULT_MOCK_MODE)),
            initial_image=self.inputs.initial_image is not None,
            end_frame=self.inputs.end_frame is not None,
            reference_images=len(self.inputs.reference_images),
        )
        self._refuse_combinations()
        return attrs

    @property
    def fingerprint(self) -> str:
        """The same for the same fields and files, and only for them."""
        pictures = (
            self.inputs.initial_image,
            self.inputs.end_frame,
            *self.inputs.reference_images,
        )
        content = [vars(self.order), [picture and picture.sha256 for picture in pictures]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _refuse_repeated(self, data: Any) -> None:
        if not hasattr(data, "getlist"):
            return
        repeated = [
            name
            for name, field in self.fields.items()
            if not isinstance(field, serializers.ListField) and len(data.getlist(name)) > 1
        ]
        if repeated:
            raise serializers.ValidationError(
                {
                    name: ErrorDetail("This field was sent more than once", "repeated")
                    for name in repeated
                }
            )

    def _refuse_combinations(self) -> None:
        refusals = list(catalog.refusals(self.order))
        if refusals:
            found: dict[str, list] = {}
            for refusal in refusals:
                detail = ErrorDetail(refusal.message, "combination")
                found.setdefault(refusal.field, []).append(detail)
            raise serializers.ValidationError(found)


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
    """The whole job, as every answer shows it.

    Needs `log` on the job (the lines that clients may see), and in the context `request`, `now`
    and `positions` (of PENDING jobs, by id).
    """

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


class VideoJobListSerializer(serializers.Serializer):
    jobs = VideoJobSerializer(many=True)
    total = serializers.IntegerField(help_text="How many the filter matches.")


class ListQuerySerializer(PageSerializer):
    status_filter = serializers.CharField(required=False, help_text="One status, in any case.")

    def validate_status_filter(self, value: str) -> str:
        if value.upper() not in Status.values:
            raise serializers.ValidationError(
                f"Status filter must be {one_of(Status.values)}", code="invalid_choice"
            )
        return value.upper()


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
