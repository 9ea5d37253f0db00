"""Serializer fields whose error messages say which values are valid."""

import re
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


def one_of(values: Any) -> str:
    *others, last = [f"'{value}'" for value in values]
    return f"{', '.join(others)} or {last}" if others else last


def same_message(message: str) -> dict[str, Any]:
    """One message for every error of a text or a number."""
    return dict.fromkeys(
        ["invalid", "min_value", "max_value", "max_string_length", "blank", "max_length"], message
    )


class TextOrNull(serializers.CharField):
    """For responses: null in place of an empty text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value or None


class DigitsField(serializers.IntegerField):
    """A whole number in ASCII digits; DRF's field also reads "1.0", "1_0" and digits of other
    scripts."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"-?[0-9]+", str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class DateOrTimeField(serializers.DateTimeField):
    """A date (midnight UTC) or a time in ISO 8601. `advice` is the end of the error message."""

    def __init__(self, what: str, *, advice: str = "", **kwargs: Any) -> None:
        message = (
            f"{what} must be a date or a time in ISO 8601, such as 2026-01-15T10:30:00Z{advice}"
        )
        super().__init__(
            error_messages=dict.fromkeys(["invalid", "overflow", "date", "make_aware"], message),
            **kwargs,
        )


class ChoiceField(serializers.ChoiceField):
    """One of a few strings; every error message lists them."""

    def __init__(self, what: str, choices: Any, **kwargs: Any) -> None:
        message = f"{what} must be {one_of(choices)}"
        super().__init__(
            choices=list(choices),
            error_messages={"invalid_choice": message, "null": message},
            **kwargs,
        )


@extend_schema_field(OpenApiTypes.STR)
class ChoicesField(ChoiceField):
    """One or several of a few strings, separated by commas, in any case; its value is a list."""

    def __init__(self, what: str, choices: Any, **kwargs: Any) -> None:
        super().__init__(f"{what} (one or several, separated by commas)", choices, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        parse, known = super().to_internal_value, {each.lower(): each for each in self.choices}
        given = (each.strip() for each in str(data).split(","))
        return sorted({parse(known.get(each.lower(), each)) for each in given})
