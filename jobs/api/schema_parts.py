"""What the OpenAPI documentation of several calls shares, those of the OpenAI format too.

The serializers here are for the documentation only: CreateVideoJobSerializer reads all orders.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_serializer
from rest_framework import serializers
from rest_framework.parsers import FormParser

from jobs import catalog
from jobs.api.request_serializers import CreateVideoJobSerializer
from jobs.api.schema_examples import NO_TOKENS, ORDER, THROTTLED, TOO_MANY
from jobs.api.serializers import (
    InsufficientTokensProblemSerializer,
    TooManyActiveJobsProblemSerializer,
)
from videostudio.core.api.fields import one_of
from videostudio.core.api.openapi import FORM, JSON, at_fault, example, header, refused

# ---- Orders ----

DATA_URI = "As a data URI: `data:image/png;base64,…`. "


def _image(name: str) -> Any:
    text = DATA_URI + str(CreateVideoJobSerializer().fields[name].help_text)
    return serializers.CharField(required=False, allow_null=True, help_text=text)


@extend_schema_serializer(component_name="CreateVideoJob")
class JsonOrderSerializer(CreateVideoJobSerializer):
    """The video to create, with images as data URIs."""

    initialImage = _image("initialImage")
    endFrame = _image("endFrame")
    referenceImages = serializers.ListField(  # type: ignore[assignment]
        child=serializers.CharField(),
        required=False,
        allow_null=True,
        max_length=catalog.MAX_REFERENCE_IMAGES,
        help_text=DATA_URI + str(CreateVideoJobSerializer().fields["referenceImages"].help_text),
    )


@extend_schema_serializer(component_name="CreateVideoJobMultipart")
class MultipartOrderSerializer(CreateVideoJobSerializer):
    """The video to create, with images as files."""


class OrderExtension(OpenApiSerializerExtension):
    """What drf-spectacular does not see: an example of each field, with which Swagger UI fills in
    the form, the models as open text, and that `mockMode` is required where no default is set.
    """

    target_class = CreateVideoJobSerializer
    match_subclasses = True
    examples: Mapping[str, Any] = ORDER | {
        "referenceImages": [],
        "webhookUrl": "",
        "negativePrompt": "",
    }

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        properties = schema["properties"]
        # Not an enum: a client that was generated before a model was added can order it.
        properties["model"] = {
            "type": "string",
            "description": properties["model"]["description"],
            "x-extensible-enum": list(catalog.MODELS),
        }
        for name, value in self.examples.items():
            properties[name]["example"] = value
        for name, field in properties.items():
            # A form has no null. Beside the reference to an enum OpenAPI 3.0 does not allow it.
            if not isinstance(self.target, JsonOrderSerializer) or name == "durationSeconds":
                field.pop("nullable", None)
        if settings.VIDEO_DEFAULT_MOCK_MODE is None:
            schema["required"] = sorted([*schema["required"], "mockMode"])
        return schema


# ---- Refusals and parameters ----

OTHER_TYPE = "unsupported_media_type"
VIDEO = OpenApiResponse(OpenApiTypes.BINARY, "The video, for a client that follows the redirect.")
VIDEO_REMOVED = refused("The video was removed.", video_removed="The video was removed.")
BODY_REFUSALS = {
    413: at_fault(
        "The body, or an image, is too large.",
        (None, "The request body must be at most 60 MB", "too_large"),
        code="too_large",
    ),
    415: at_fault(
        "Another media type.",
        (None, f"Send {one_of((FORM, JSON, FormParser.media_type))}, not 'text/plain'", OTHER_TYPE),
        code=OTHER_TYPE,
    ),
}
ORDER_REFUSALS = BODY_REFUSALS | {
    402: OpenApiResponse(
        InsufficientTokensProblemSerializer,
        "Not enough tokens; nothing was charged.",
        examples=[example("insufficient_tokens", NO_TOKENS)],
    ),
    404: refused("The job created with this key was deleted.", not_found="Not found."),
    422: at_fault(
        "The key was used with other content.",
        (
            "Idempotency-Key",
            "This Idempotency-Key was used with other content",
            "idempotency_mismatch",
        ),
        code="idempotency_mismatch",
    ),
    429: OpenApiResponse(
        TooManyActiveJobsProblemSerializer,
        "Too many active jobs, or too many requests; nothing was charged.",
        examples=[example("too_many_active_jobs", TOO_MANY), example("throttled", THROTTLED)],
    ),
    503: refused(
        "Google does not offer the model (`model_unavailable`), or the database is down "
        "(`unavailable`); nothing was charged.",
        model_unavailable="Google does not offer model 'veo-3.1-generate-preview' at the "
        "moment. Nothing was charged. Choose a model that is available in "
        "GET /api/v1/video-models.",
    ),
}
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$", "minLength": 1, "maxLength": 255},
    location="header",
    description="1 to 255 visible ASCII characters, new for each video. For 24 hours the same key "
    "with the same content returns the same job, which is charged once.",
)


def replayed(status: int) -> OpenApiParameter:
    return header("Idempotency-Replayed", "`true` if the key was used before.", status)
