"""Serializers of the accounts' endpoints."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.fields import empty, get_error_detail

from accounts.models import User
from videostudio.core.api.strict import StrictSerializer

# Not trimmed. Limited in length, because hashing is slow.
PASSWORD: dict[str, Any] = {
    "max_length": 128,
    "trim_whitespace": False,
    "write_only": True,
    "help_text": "At least 8 characters, not only digits, and not a common password.",
}
CURRENT_PASSWORD = PASSWORD | {"help_text": "Your password."}


class StringField(serializers.CharField):
    """Refuses numbers; DRF's CharField accepts 1 as "1"."""

    default_error_messages = {"not_text": "This field must be text"}

    def run_validation(self, data: Any = empty) -> Any:
        if data is not empty and data is not None and not isinstance(data, str):
            raise serializers.ValidationError(self.error_messages["not_text"], "invalid")
        return super().run_validation(data)


class UsernameField(StringField):
    """Normalizes Unicode as Django's own forms do: two encodings of a text are one name."""

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        # Normalizing is slow for long texts, which are refused anyway.
        return value if len(value) > (self.max_length or 0) else User.normalize_username(value)


class AddressField(StringField, serializers.EmailField):
    """Lower-cases the domain before validation, because that can make it longer."""

    def to_internal_value(self, data: Any) -> str:
        return User.objects.normalize_email(super().to_internal_value(data))


class RegisterSerializer(StrictSerializer):
    """A new account."""

    username = UsernameField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        help_text="Letters, digits and @ . + - _",
    )
    email = AddressField(max_length=254, help_text="Where the operator can reach you.")
    password = StringField(**PASSWORD)

    def validate_password(self, value: str) -> str:
        """Report a bad password together with the errors of other fields."""
        _check_password(value)
        return value

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        user = User(username=attrs["username"], email=attrs["email"])
        try:
            _check_password(attrs["password"], user)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"password": error.detail}) from error
        return attrs


def _check_password(password: str, user: User | None = None) -> None:
    try:
        validate_password(password, user=user)
    except DjangoValidationError as error:
        raise serializers.ValidationError(get_error_detail(error)) from error


class LogInSerializer(StrictSerializer):
    """A name and a password."""

    username = UsernameField(max_length=150, help_text="Case does not matter.")
    password = StringField(**CURRENT_PASSWORD)


class RefreshTokenSerializer(StrictSerializer):
    """A refresh token."""

    refresh = StringField(max_length=2000, help_text="The newest refresh token.")


class TokenPairSerializer(serializers.Serializer):
    access = serializers.CharField(
        help_text="For `Authorization: Bearer …` with every other call; valid for an hour."
    )
    refresh = serializers.CharField(help_text="For the next pair; works once, within 14 days.")


class AccountSerializer(serializers.Serializer):
    id = serializers.UUIDField(help_text="The jobs' `userId`.")
    username = serializers.CharField(help_text="The name to log in with.")
    email = serializers.EmailField(help_text="Where the operator can reach you.")
    dateJoined = serializers.DateTimeField(source="date_joined", help_text="In UTC.")


# ---- Passwords ----


class ChangePasswordSerializer(StrictSerializer):
    """The current password, and a new one."""

    currentPassword = StringField(source="current", **CURRENT_PASSWORD)
    newPassword = StringField(source="new", **PASSWORD)


class RequestResetSerializer(StrictSerializer):
    """Whose password was lost."""

    email = AddressField(max_length=254, help_text="The address of the account.")


class ResetSerializer(StrictSerializer):
    """The token of a mailed link, and a new password."""

    token = StringField(max_length=200, help_text="The `token` of the link in the mail.")
    newPassword = StringField(source="new", **PASSWORD)


class DeleteAccountSerializer(StrictSerializer):
    """The password, to confirm the deletion."""

    password = StringField(**CURRENT_PASSWORD)
