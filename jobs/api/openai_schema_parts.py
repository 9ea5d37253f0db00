"""Examples, requests and responses of `/v1/videos`, for the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from jobs import catalog
from jobs.api import schema_examples
from jobs.api.openai_serializers import OpenAIVideoRequestSerializer
from jobs.api.schema_examples import HELD_BACK, ID
from jobs.api.schema_parts import JsonOrderSerializer, OrderExtension

ORDER = {
    "prompt": schema_examples.ORDER["prompt"],
    "model": schema_examples.ORDER["model"],
    "size": "1280x720",
    "seconds": "4",
    "mockMode": True,
    "private": False,
}
QUEUED: dict[str, Any] = {
    "id": ID,
    "object": "video",
    "model": schema_examples.ORDER["model"],
    "status": "queued",
    "progress": 0,
    "created_at": 1768473000,
    "completed_at": None,
    "expires_at": None,
    "prompt": schema_examples.ORDER["prompt"],
    "seconds": "4",
    "size": "1280x720",
    "remixed_from_video_id": None,
    "error": None,
}
COMPLETED = QUEUED | {"status": "completed", "progress": 100, "completed_at": 1768473100}
BLOCKED = {"code": "safety.output", "message": HELD_BACK}
FAILED = COMPLETED | {"status": "failed", "progress": 60, "error": BLOCKED}


# ---- Requests ----


def _text(description: str) -> dict[str, str]:
    return {"type": "string", "description": description}


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"image_url": _text("A data URI.")},
                "required": ["image_url"],
            },
        ]
    }
)
class ReferenceField(serializers.CharField):
    """A data URI, or OpenAI's object that holds one."""


@extend_schema_serializer(component_name="CreateOpenAIVideo")
class JsonVideoSerializer(OpenAIVideoRequestSerializer):
    """The video to create, with images as data URIs."""

    input_reference = ReferenceField(  # type: ignore[assignment]
        required=False,
        help_text="First frame, as a data URI: `data:image/png;base64,…`, or an object whose "
        "`image_url` is one.",
    )
    endFrame: Any = JsonOrderSerializer().fields["endFrame"]
    referenceImages: Any = JsonOrderSerializer().fields["referenceImages"]


@extend_schema_serializer(component_name="CreateOpenAIVideoMultipart")
class MultipartVideoSerializer(OpenAIVideoRequestSerializer):
    """The video to create, with images as files."""


class OpenAIOrderExtension(OrderExtension):
    """Documents `seconds` as text, as OpenAI's clients send it."""

    target_class = OpenAIVideoRequestSerializer
    match_subclasses = True
    priority = 1
    examples = ORDER

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        schema = super().map_serializer(auto_schema, direction)
        text = {"type": "string", "enum": [str(each) for each in catalog.DURATIONS]}
        schema["properties"]["seconds"] |= text
        return schema


# ---- Responses ----


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "code": _text("The job's `errorCode`, or `cancelled`."),
            "message": _text("A sentence for a person."),
        },
        "required": ["code", "message"],
    }
)
class VideoErrorField(serializers.Field):
    """The error of a failed video."""


class OpenAIVideoSerializer(serializers.Serializer):
    """A video job in OpenAI's format."""

    id = serializers.UUIDField(help_text="The job's id.")
    object = serializers.CharField(help_text="`video`.")
    model = serializers.CharField(help_text="One of `/api/v1/video-models`.")
    status = serializers.CharField(help_text="`queued`, `in_progress`, `completed` or `failed`.")
    progress = serializers.IntegerField(help_text="0 to 100, an estimate until the end.")
    created_at = serializers.IntegerField(help_text="In seconds since 1970.")
    completed_at = serializers.IntegerField(
        allow_null=True, help_text="When the job ended, with any status."
    )
    expires_at = serializers.IntegerField(
        allow_null=True, help_text="When the video was or will be removed."
    )
    prompt = serializers.CharField(allow_null=True, help_text="What the video shows.")
    seconds = serializers.CharField(help_text="The video's length.")
    size = serializers.CharField(help_text="Width x height.")
    remixed_from_video_id = serializers.CharField(allow_null=True, help_text="Always null.")
    error = VideoErrorField(allow_null=True, help_text="Why the job failed.")


@extend_schema_serializer(many=False)
class OpenAIVideoListSerializer(serializers.Serializer):
    """A page of videos."""

    object = serializers.CharField(help_text="`list`.")
    data = OpenAIVideoSerializer(many=True, help_text="The videos.")  # type: ignore[assignment]
    has_more = serializers.BooleanField(help_text="Whether there is another page.")
    first_id = serializers.UUIDField(allow_null=True, help_text="The first video's id.")
    last_id = serializers.UUIDField(allow_null=True, help_text="Send it as `after`.")


class OpenAIDeletedVideoSerializer(serializers.Serializer):
    """The video that was deleted."""

    id = serializers.UUIDField(help_text="The job's id.")
    object = serializers.CharField(help_text="`video.deleted`.")
    deleted = serializers.BooleanField(help_text="`true`.")
