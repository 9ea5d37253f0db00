"""The OpenAPI documentation of an order in JSON and in multipart.

Only for the documentation: CreateVideoJobSerializer reads the requests of each format.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from jobs import catalog
from jobs.api.request_serializers import CreateVideoJobSerializer
from jobs.api.schema_examples import ORDER

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
