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
    extend_schema_serializer,
)
from rest_framework import serializers

JSON = "application/json"


class ProblemSerializer(serializers.Serializer):
    """An error."""

    detail = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="An identifier for a program.")


@extend_schema_serializer(component_name="FieldError")
class FaultSerializer(serializers.Serializer):
    field = serializers.CharField(
        allow_null=True, help_text="The field, or null if the error concerns no single field."
    )
    message = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="An identifier for a program.")


@extend_schema_serializer(component_name="ValidationProblem")
class InvalidSerializer(ProblemSerializer):
    """400, 411, 413, 415 and 422: the first error, and a list of all."""

    field = serializers.CharField(
        allow_null=True, help_text="The field of the first error, or null."
    )
    errors = FaultSerializer(  # type: ignore[assignment]  # a serializer attribute of that name
        many=True, help_text="All errors."
    )


def example(name: str, value: Any, **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, **options)


def sent(value: Any, name: str, **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True, **options)


def answer(serializer: Any, description: str, value: Any, name: str) -> OpenApiResponse:
    return OpenApiResponse(serializer, description, examples=[example(name, value)])


def refused(description: str, **details: str) -> OpenApiResponse:
    """An error response with `detail` and `code`; `details` maps codes to texts."""
    examples = [example(code, {"detail": text, "code": code}) for code, text in details.items()]
    return OpenApiResponse(ProblemSerializer, description, examples=examples)


def fault_example(code: str, *faults: tuple[str | None, str, str]) -> OpenApiExample:
    """The body for an invalid request; each of `faults` is a field, a message and a code."""
    errors = [{"field": field, "message": text, "code": code} for field, text, code in faults]
    value = {"detail": faults[0][1], "code": code, "field": faults[0][0], "errors": errors}
    return example(code, value)


def at_fault(description: str, *, code: str, faults: list[tuple[str | None, str, str]]) -> Any:
    """The response to an invalid request, with `fault_example(code, *faults)`."""
    return OpenApiResponse(InvalidSerializer, description, examples=[fault_example(code, *faults)])


def header(
    name: str, description: str, *statuses: int | str, type: Any = str, **options: Any
) -> OpenApiParameter:
    """A header of the responses with `statuses`."""
    return OpenApiParameter(
        name,
        type,
        location="header",
        response=[*statuses],
        description=description,
        **options,
    )


def retry_after(description: str, *statuses: int | str) -> OpenApiParameter:
    return header("Retry-After", description, *statuses, type=OpenApiTypes.INT)


def rate_limits(*statuses: int) -> list[OpenApiParameter]:
    """The headers of an operation's throttles."""
    return [
        header("RateLimit-Policy", 'Its limits: `"create";q=60;w=60` is 60 a minute.', *statuses),
        header("RateLimit", "What they leave, and the seconds until they start anew.", *statuses),
    ]


UNAUTHORIZED = refused(
    "No valid API key or access token.",
    not_authenticated="Send the header 'Authorization: Bearer <API key or access token>'.",
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
    code="invalid",
    faults=[("page", "Unknown query parameter 'page'", "unknown_field")],
)
RETRY_AFTER = retry_after("Seconds to wait before the next attempt.", 429)
