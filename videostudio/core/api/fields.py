"""Serializer fields whose error messages say which values are valid."""

import re
from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


def one_of(values: Any) -> str:
    *others, last = [f"'{value}'" for value in values]
    return f"{', '.join(others)} or {last}" if others else last


class DigitsField(serializers.IntegerField):
    """A whole number in ASCII digits; DRF's field also reads "1.0", "1_0" and digits of other
    scripts."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"-?[0-9]+", str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


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
    """One or several of a few strings, separated by commas, in any case; its value is a list.

    `fold` brings a value to the case of the choices.
    """

    def __init__(
        self, what: str, choices: Any, *, fold: Callable[[str], str], **kwargs: Any
    ) -> None:
        self.fold = fold
        super().__init__(f"{what} (one or several, separated by commas)", choices, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        parse = super().to_internal_value
        return sorted({parse(self.fold(each.strip())) for each in str(data).split(",")})
