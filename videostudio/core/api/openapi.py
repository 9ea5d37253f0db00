"""What the OpenAPI documents of all apps share: examples, headers and error responses.

Nothing here changes the service's behaviour. A test checks that every operation, parameter and
field has a description.
"""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers


class ProblemSerializer(serializers.Serializer):
    """401, 403 and 429."""

    detail = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="An identifier for a program.")


class FaultSerializer(serializers.Serializer):
    field = serializers.CharField(
        allow_null=True, help_text="The field, or null if the error concerns no single field."
    )
    message = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="An identifier for a program.")


class InvalidSerializer(ProblemSerializer):
    """400, 413 and 415: the first error, and a list of all."""

    field = serializers.CharField(
        allow_null=True, help_text="The field of the first error, or null."
    )
    errors = FaultSerializer(  # type: ignore[assignment]  # a serializer attribute of that name
        many=True, help_text="All errors."
    )


def example(name: str, value: Any, **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, **options)


def sent(value: Any, name: str = "Request", **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True, **options)


def answer(serializer: Any, description: str, value: Any) -> OpenApiResponse:
    return OpenApiResponse(serializer, description, examples=[example("Response", value)])


def refused(description: str, **details: str) -> OpenApiResponse:
    """An error response with `detail` and `code`; `details` maps codes to texts."""
    examples = [example(code, {"detail": text, "code": code}) for code, text in details.items()]
    return OpenApiResponse(ProblemSerializer, description, examples=examples)


def at_fault(description: str, *, code: str, faults: list[tuple[str | None, str, str]]) -> Any:
    """The response to an invalid request; each of `faults` is a field, a message and a code."""
    errors = [{"field": field, "message": text, "code": code} for field, text, code in faults]
    value = {"detail": faults[0][1], "code": code, "field": faults[0][0], "errors": errors}
    return OpenApiResponse(InvalidSerializer, description, examples=[example(code, value)])


def header(name: str, description: str, *statuses: int) -> OpenApiParameter:
    """A header of the responses with `statuses`."""
    return OpenApiParameter(
        name, location="header", response=list(statuses), description=description
    )


UNAUTHORIZED = refused(
    "No valid API key or access token.",
    not_authenticated="Send the header 'Authorization: Bearer <API key or access token>'.",
    token_not_valid="The API key has been revoked.",
)
SESSION_REQUIRED = refused(
    "An API key was sent; this call needs an access token.",
    session_required="This call needs an access token, not an API key.",
)
READ_ONLY_KEY = refused(
    "The API key has the scope `read`.", read_only_key="This API key may only read."
)
THROTTLED = refused(
    "Too many requests.", throttled="Request was throttled. Expected available in 42 seconds."
)
UNKNOWN = at_fault(
    "An unknown query parameter or field.",
    code="invalid",
    faults=[("page", "Unknown query parameter 'page'", "unknown_field")],
)
RETRY_AFTER = header("Retry-After", "Seconds to wait before the next attempt.", 429)
