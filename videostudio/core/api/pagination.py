"""Pagination by `limit` and `offset` in the query."""

from typing import Any

from rest_framework import serializers

from videostudio.core.api.strict import StrictQuerySerializer

MAX_OFFSET = 2**31  # beyond any list, and valid in every database


def _same_message(message: str) -> dict[str, Any]:
    return dict.fromkeys(["invalid", "min_value", "max_value", "max_string_length"], message)


class PageSerializer(StrictQuerySerializer):
    limit = serializers.IntegerField(
        default=50,
        min_value=1,
        max_value=100,
        help_text="How many to return at most.",
        error_messages=_same_message("Limit must be a whole number from 1 to 100"),
    )
    offset = serializers.IntegerField(
        default=0,
        min_value=0,
        help_text="How many to skip.",
        error_messages=_same_message("Offset must be a whole number of at least 0"),
    )

    def validate_offset(self, value: int) -> int:
        return min(value, MAX_OFFSET)
