"""Serializers of the API keys' endpoints."""

import unicodedata
from datetime import datetime

from django.utils import timezone
from rest_framework import serializers

from accounts.api.serializers import StringField
from accounts.models import ApiKey
from videostudio.core.api.fields import ChoiceField, DateOrTimeField, same_message
from videostudio.core.api.strict import StrictSerializer

MAX_LIMIT = 1_000_000_000  # tokens
LIMIT_FAULT = f"Daily token limit must be a whole number from 1 to {MAX_LIMIT:,}"


def _printable(name: str) -> None:
    if any(unicodedata.category(character).startswith("C") for character in name):
        raise serializers.ValidationError("Name must not contain control characters")


class NewKeySerializer(StrictSerializer):
    """A new API key."""

    # The validated values are the arguments of `api_keys.create`.

    name = StringField(
        max_length=ApiKey.NAME_LENGTH,
        validators=[_printable],
        help_text="What the key is for. Names need not be unique.",
    )
    scope = ChoiceField(
        "Scope",
        ApiKey.Scope.values,
        default=ApiKey.Scope.FULL.value,
        help_text="`read` allows only GET and HEAD.",
    )
    expiresAt = DateOrTimeField(
        "Expires at",
        source="expires_at",
        required=False,
        allow_null=True,
        default=None,
        help_text="When the key stops working; by default never.",
    )
    dailyTokenLimit = serializers.IntegerField(
        source="daily_token_limit",
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=MAX_LIMIT,
        error_messages=same_message(LIMIT_FAULT),
        help_text="The tokens that orders by this key may cost in one day (UTC), less refunds of "
        "them. By default only the balance limits them.",
    )

    def validate_expiresAt(self, value: datetime | None) -> datetime | None:
        if value and value <= timezone.now():
            raise serializers.ValidationError("Expires at must be in the future", code="past")
        return value


class KeySerializer(serializers.Serializer):
    id = serializers.UUIDField(help_text="For `DELETE /api/v1/keys/{id}`.")
    name = serializers.CharField(help_text="As given.")
    prefix = serializers.CharField(help_text="The key's first 12 characters, which are public.")
    scope = serializers.CharField(help_text="`full`, or `read`: only GET and HEAD.")
    dailyTokenLimit = serializers.IntegerField(
        source="daily_token_limit",
        allow_null=True,
        help_text="The tokens that its orders may cost in one day (UTC); null: no limit.",
    )
    createdAt = serializers.DateTimeField(source="created_at", help_text="In UTC.")
    lastUsedAt = serializers.DateTimeField(
        source="last_used_at",
        allow_null=True,
        help_text="Exact to a minute; null until the first use.",
    )
    expiresAt = serializers.DateTimeField(
        source="expires_at", allow_null=True, help_text="When it stops working; null: never."
    )


class CreatedKeySerializer(KeySerializer):
    key = serializers.CharField(help_text="The key itself, shown only in this response.")


class KeyListSerializer(serializers.Serializer):
    keys = KeySerializer(many=True, help_text="Newest first.")
