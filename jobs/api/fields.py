"""Serializer fields for requests. Each error message says which values are valid."""

import re
import unicodedata
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.utils import html

from jobs import catalog, image_files, input_images
from jobs.api.parsers import uploaded
from jobs.webhooks import addresses

Messages = dict[str, Any]
ALLOWED_CONTROLS = "\t\n\r"
MAX_UNTRIMMED = 20_000  # characters of a text with the white space around it


class PlainTextField(serializers.CharField):
    """Trimmed text or None. Control characters, except tabs and line breaks, are refused."""

    def __init__(self, what: str, *, max_length: int, **kwargs: Any) -> None:
        self.what = what
        messages: Messages = {"max_length": f"{what} must be at most {max_length:,} characters"}
        super().__init__(
            required=False,
            allow_null=True,
            allow_blank=True,
            max_length=max_length,
            error_messages=messages,
            **kwargs,
        )

    def run_validation(self, data: Any = empty) -> Any:
        """Validate before trimming, which removes some control characters as white space."""
        if isinstance(data, str):
            if len(data) > MAX_UNTRIMMED:  # checking each character would take seconds
                self.fail("max_length")
            if any(unicodedata.category(c) == "Cc" and c not in ALLOWED_CONTROLS for c in data):
                raise serializers.ValidationError(
                    f"{self.what} must not contain control characters", code="control_characters"
                )
            if "\N{REPLACEMENT CHARACTER}" in data:  # Django's replacement for invalid UTF-8
                raise serializers.ValidationError(
                    f"{self.what} must be valid UTF-8", code="encoding"
                )
        elif data is not None and data is not empty:
            raise serializers.ValidationError(f"{self.what} must be text", code="invalid")
        return super().run_validation(data) or None


class WebhookUrlField(serializers.CharField):
    """An https URL of a public host, or of a host in WEBHOOK_ALLOWED_HOSTS."""

    def __init__(self, what: str, **kwargs: Any) -> None:
        self.what = what
        text = f"{what} must be text"
        super().__init__(
            error_messages={
                "required": f"{what} is required",
                **dict.fromkeys(["invalid", "null", "blank"], text),
            },
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        url = super().to_internal_value(data)
        try:
            addresses.check(url)
        except addresses.RefusedUrl as refusal:
            raise serializers.ValidationError(f"{self.what} {refusal}", "url") from refusal
        return url


@extend_schema_field(OpenApiTypes.BOOL)
class StrictBooleanField(serializers.Field):
    """`true` or `false` only, as JSON or as text in any case."""

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


@extend_schema_field(
    {"type": "integer", "enum": list(catalog.DURATIONS), "default": catalog.DEFAULT_DURATION}
)
class DurationField(serializers.Field):
    """4, 6 or 8, as a number or as text."""

    MESSAGE = "Duration must be 4, 6 or 8 seconds"

    def to_internal_value(self, data: Any) -> int:
        text = str(data).strip()
        for seconds in catalog.DURATIONS:
            if not isinstance(data, bool) and text in (str(seconds), f"{seconds}.0"):
                return seconds
        raise serializers.ValidationError(self.MESSAGE, code="invalid_choice")

    def to_representation(self, value: int) -> int:
        return value


@extend_schema_field(
    {"type": "integer", "format": "int64", "minimum": 0, "maximum": catalog.MAX_SEED}
)
class SeedField(serializers.Field):
    """A whole number from 0 to MAX_SEED, in ASCII digits only: a number or a text."""

    MESSAGE = f"Seed must be a whole number from 0 to {catalog.MAX_SEED}, digits only"

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, int | str) and re.fullmatch(r"[0-9]{1,10}", str(data)):
            seed = int(data)
            if seed <= catalog.MAX_SEED:
                return seed
        raise serializers.ValidationError(self.MESSAGE, code="invalid")


@extend_schema_field(OpenApiTypes.BINARY)
class ImageField(serializers.FileField):
    """An uploaded image, checked and re-encoded as an `input_images.Image`."""

    def __init__(self, what: str, **kwargs: Any) -> None:
        self.what = what
        messages: Messages = {
            "invalid": f"{what} must be an uploaded file, or a data URI: data:image/png;base64,…",
            "data_uri": f"{what} must be a data URI in base64: data:image/png;base64,…",
            "empty": f"{what} is an empty file",
            "no_name": f"{what} must be an uploaded file with a name",
        }
        super().__init__(error_messages=messages, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and data[:5].lower() == "data:":
            data = uploaded(data)
            if isinstance(data, str):
                self.fail("data_uri")
        upload = super().to_internal_value(data)
        if upload.size > input_images.MAX_BYTES:
            raise serializers.ValidationError(f"{self.what} must be at most 10 MB", "too_large")
        try:
            with upload:  # frees its memory, or its disk space, while the request goes on
                return input_images.prepare(upload=upload)
        except image_files.InvalidImage as refusal:
            raise serializers.ValidationError(f"{self.what} {refusal}", "image") from refusal


class ReferenceImagesField(serializers.ListField):
    MESSAGE = f"At most {catalog.MAX_REFERENCE_IMAGES} reference images are allowed"
    default_error_messages = {
        "not_a_list": f"Reference images must be a list of at most {catalog.MAX_REFERENCE_IMAGES}"
    }

    def get_value(self, dictionary: Any) -> Any:
        """An empty text in a form means no image, as for the other images."""
        value = super().get_value(dictionary)
        if html.is_html_input(dictionary) and isinstance(value, list):
            return [each for each in value if each != ""]
        return value

    def to_internal_value(self, data: Any) -> list[input_images.Image]:
        if isinstance(data, list) and len(data) > catalog.MAX_REFERENCE_IMAGES:
            # Before decoding any of them.
            raise serializers.ValidationError(self.MESSAGE, code="max_length")
        return super().to_internal_value(data)
