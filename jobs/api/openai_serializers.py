"""The OpenAI format's requests and videos, in terms of our own orders and jobs."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.datastructures import MultiValueDict
from rest_framework import serializers
from rest_framework.fields import empty

from jobs import catalog
from jobs.api.fields import DurationField, ImageField
from jobs.api.request_serializers import CreateVideoJobSerializer
from jobs.models import Status, VideoJob
from videostudio.core.api.fields import ChoiceField, DigitsField, same_message
from videostudio.core.api.strict import StrictQuerySerializer

SIZES = {
    "720x1280": ("720p", "9:16"),
    "1280x720": ("720p", "16:9"),
    "1080x1920": ("1080p", "9:16"),
    "1920x1080": ("1080p", "16:9"),
}
SIZE_OF = {spec: size for size, spec in SIZES.items()}
# OpenAI's documented defaults.
DEFAULT_RESOLUTION, DEFAULT_RATIO = SIZES["720x1280"]
DEFAULT_SECONDS = 4
NAMES = {"durationSeconds": "seconds", "aspectRatio": "size", "resolution": "size"}
STATUSES = {
    Status.PENDING: "queued",
    Status.RUNNING: "in_progress",
    Status.SUCCEEDED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",
}
NO_SUCH_VIDEO = "After must be the id of one of your videos"
IMAGE_URL = "input_reference[image_url]"  # openai-python's notation of the object in a form


class OpenAIVideoRequestSerializer(CreateVideoJobSerializer):
    """OpenAI's fields, and our additional ones."""

    durationSeconds = None  # type: ignore[assignment]
    initialImage = None  # type: ignore[assignment]
    seconds = DurationField(default=DEFAULT_SECONDS, help_text="4, 6 or 8; the default is 4.")
    size = ChoiceField(
        "Size", SIZES, required=False, help_text="Width x height; the default is 720x1280."
    )
    resolution = ChoiceField(
        "Resolution", catalog.RESOLUTIONS, required=False, help_text="Without `size`."
    )
    aspectRatio = ChoiceField(
        "Aspect ratio", catalog.ASPECT_RATIOS, required=False, help_text="Without `size`."
    )
    input_reference = ImageField(
        "Input reference",
        required=False,
        help_text="First frame: a file, a data URI, or an object whose `image_url` is a data URI.",
    )

    def run_validation(self, data: Any = empty) -> Any:
        return super().run_validation(_with_plain_reference(data))

    def validate(self, attrs: dict) -> Any:
        if "size" in attrs and ("resolution" in attrs or "aspectRatio" in attrs):
            raise serializers.ValidationError(
                {"size": "Size cannot be combined with resolution or aspectRatio"}, "combination"
            )
        usual = (
            attrs.get("resolution", DEFAULT_RESOLUTION),
            attrs.get("aspectRatio", DEFAULT_RATIO),
        )
        resolution, ratio = SIZES[attrs["size"]] if "size" in attrs else usual
        order = attrs | {"resolution": resolution, "aspectRatio": ratio}
        order |= {"durationSeconds": attrs["seconds"], "initialImage": attrs.get("input_reference")}
        try:
            return super().validate(order)
        except serializers.ValidationError as refusal:
            detail: Any = refusal.detail
            renamed = {NAMES.get(name, name): errors for name, errors in detail.items()}
            raise serializers.ValidationError(renamed) from refusal


def _with_plain_reference(data: Any) -> Any:
    """The image of an object `input_reference` in place of the object."""
    if hasattr(data, "getlist") and IMAGE_URL in data and "input_reference" not in data:
        names = {IMAGE_URL: "input_reference"}
        return MultiValueDict({names.get(name, name): values for name, values in data.lists()})
    reference = data.get("input_reference") if isinstance(data, dict) else None
    if isinstance(reference, dict) and set(reference) == {"image_url"}:
        return data | {"input_reference": reference["image_url"]}
    return data


class OpenAIListQuerySerializer(StrictQuerySerializer):
    limit = DigitsField(
        default=20,
        min_value=1,
        max_value=100,
        help_text="How many to return at most.",
        error_messages=same_message("Limit must be a whole number from 1 to 100"),
    )
    order = ChoiceField(
        "Order", ["asc", "desc"], default="desc", help_text="By the time of creation."
    )
    after = serializers.UUIDField(
        required=False,
        help_text="The `last_id` of the previous page.",
        error_messages=same_message(NO_SUCH_VIDEO),
    )


class OpenAIContentQuerySerializer(StrictQuerySerializer):
    variant = ChoiceField(
        "Variant", ["video", "thumbnail"], default="video", help_text="The MP4, or its poster."
    )


def video(job: VideoJob) -> dict[str, Any]:
    """A job as OpenAI's Video."""
    return {
        "id": str(job.pk),
        "object": "video",
        "model": job.model,
        "status": STATUSES[Status(job.status)],
        "progress": job.progress_percentage,
        "created_at": _seconds(job.created_at),
        "completed_at": _seconds(job.completed_at),
        "expires_at": _seconds(_expires_at(job)),
        "prompt": job.prompt or None,
        "seconds": str(job.duration_seconds),
        "size": SIZE_OF[job.resolution, job.aspect_ratio],
        "remixed_from_video_id": None,
        "error": _error(job),
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _expires_at(job: VideoJob) -> datetime | None:
    """When the video was removed, or will be by VIDEO_KEEP_DAYS."""
    if job.status != Status.SUCCEEDED or job.video_removed_at or not settings.VIDEO_KEEP_DAYS:
        return job.video_removed_at
    assert job.completed_at is not None
    return job.completed_at + timedelta(days=settings.VIDEO_KEEP_DAYS)


def _error(job: VideoJob) -> dict[str, str] | None:
    if job.status == Status.CANCELLED:
        return {"code": "cancelled", "message": "The job was cancelled."}
    if job.status == Status.FAILED:
        return {"code": job.error_code, "message": job.error_message}
    return None
