"""Which part of a list: `limit` and `offset` in the query."""

from typing import Any

from rest_framework import serializers

from videostudio.core.api.strict import StrictQuerySerializer

FARTHEST = 2**31  # no list is as long, and every database can still count to it


def _always(message: str) -> dict[str, Any]:
    return dict.fromkeys(["invalid", "min_value", "max_value", "max_string_length"], message)


class PageSerializer(StrictQuerySerializer):
    limit = serializers.IntegerField(
        default=50,
        min_value=1,
        max_value=100,
        help_text="How many to return at most.",
        error_messages=_always("Limit must be a whole number from 1 to 100"),
    )
    offset = serializers.IntegerField(
        default=0,
        min_value=0,
        help_text="How many to skip.",
        error_messages=_always("Offset must be a whole number of at least 0"),
    )

    def validate_offset(self, value: int) -> int:
        return min(value, FARTHEST)
