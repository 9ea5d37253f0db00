"""What the OpenAPI documents of all apps share: examples, headers and error responses.

Nothing here changes the service's behaviour. Tests check that every operation, parameter and field
has a description, and that the examples of errors are what the service sends.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
)
from rest_framework import serializers

from videostudio.core.api.errors import NO_CREDENTIALS

JSON, FORM = "application/json", "multipart/form-data"


class ProblemSerializer(serializers.Serializer):
    """An error."""

    detail = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="An identifier for a program.")


class FieldErrorSerializer(serializers.Serializer):
    field = serializers.CharField(
        allow_null=True, help_text="The field, or null if the error concerns no single field."
    )
    message = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="An identifier for a program.")


class ValidationProblemSerializer(ProblemSerializer):
    """400, 411, 413 to 415, 422 and 431: the first error, and a list of all."""

    field = serializers.CharField(
        allow_null=True, help_text="The field of the first error, or null."
    )
    errors = FieldErrorSerializer(  # type: ignore[assignment]  # a serializer attribute of that name
        many=True, help_text="All errors."
    )


class OpenAIErrorDetailSerializer(serializers.Serializer):
    message = serializers.CharField(help_text="A sentence for a person.")
    type = serializers.CharField(help_text="The kind of error, by its status.")
    param = serializers.CharField(allow_null=True, help_text="The field, or null.")
    code = serializers.CharField(help_text="An identifier for a program.")


class OpenAIErrorSerializer(serializers.Serializer):
    """An error in OpenAI's format."""

    error = OpenAIErrorDetailSerializer(help_text="What is wrong.")


def example(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value)


def sent(value: Any, name: str, **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True, **options)


def answer(serializer: Any, description: str, value: Any) -> OpenApiResponse:
    """A response with one example, which has the name of the response."""
    examples = [example(description.removesuffix("."), value)]
    return OpenApiResponse(serializer, description, examples=examples)


def refused(description: str, **details: str) -> OpenApiResponse:
    """An error response with `detail` and `code`; `details` maps codes to texts."""
    examples = [example(code, {"detail": text, "code": code}) for code, text in details.items()]
    return OpenApiResponse(ProblemSerializer, description, examples=examples)


def at_fault(
    description: str, *faults: tuple[str | None, str, str], code: str = "invalid"
) -> OpenApiResponse:
    """The response to an invalid request; each of `faults` is a field, a message and a code."""
    errors = [{"field": field, "message": text, "code": code} for field, text, code in faults]
    value = {"detail": faults[0][1], "code": code, "field": faults[0][0], "errors": errors}
    return OpenApiResponse(
        ValidationProblemSerializer, description, examples=[example(code, value)]
    )


def header(name: str, description: str, *statuses: int, type: Any = str) -> OpenApiParameter:
    """A header of the responses with `statuses`."""
    return OpenApiParameter(
        name, type, location="header", response=[*statuses], description=description
    )


def retry_after(description: str, *statuses: int) -> OpenApiParameter:
    return header("Retry-After", description, *statuses, type=OpenApiTypes.INT)


# ---- What `auto_schema.Schema` adds to operations ----

UNAUTHORIZED = refused(
    "No valid API key or access token.",
    not_authenticated=NO_CREDENTIALS,
    token_not_valid="The access token has expired: refresh it or log in again.",
)
SESSION_REQUIRED = refused(
    "An API key was sent; this call needs an access token.",
    session_required="This call needs an access token, not an API key.",
)
READ_ONLY_KEY = refused(
    "The API key has the scope `read`.", read_only_key="This API key may only read."
)
UNKNOWN = at_fault(
    "An unknown query parameter or field.",
    ("page", "Unknown query parameter 'page'", "unknown_field"),
)
FAILURES = refused(
    "500 (`internal`), or 503 (`unavailable`): try again.",
    unavailable="The service is not available at the moment. Please try again.",
)
RETRY_AFTER = {
    "description": "Seconds to wait before the next attempt.",
    "schema": {"type": "integer"},
}
RATE_LIMITS = {
    "RateLimit-Policy": {
        "description": 'Its limits: `"create";q=60;w=60` is 60 a minute.',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "What is left of them, and the seconds until they are reset.",
        "schema": {"type": "string"},
    },
}
