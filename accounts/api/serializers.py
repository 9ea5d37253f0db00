"""What the accounts' endpoints read and write."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.fields import empty, get_error_detail

from accounts.models import User
from videostudio.core.api.strict import StrictSerializer

# As it was typed; bounded, since hashing costs.
PASSWORD: dict[str, Any] = {
    "max_length": 128,
    "trim_whitespace": False,
    "write_only": True,
    "help_text": "At least 8 characters, not only digits, and none of the common ones.",
}


class StringField(serializers.CharField):
    """DRF reads the number 1 as "1". This does not."""

    def run_validation(self, data: Any = empty) -> Any:
        if data is not empty and data is not None and not isinstance(data, str):
            self.fail("invalid")
        return super().run_validation(data)


class UsernameField(StringField):
    """A name as Django's own forms read it: two spellings of one text are one name."""

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        # Normalising is slow on long texts; those are refused anyway.
        return value if len(value) > (self.max_length or 0) else User.normalize_username(value)


class AddressField(StringField, serializers.EmailField):
    """The domain in lower case: that can make it longer, so it comes before the checks."""

    def to_internal_value(self, data: Any) -> str:
        return User.objects.normalize_email(super().to_internal_value(data))


class RegistrationSerializer(StrictSerializer):
    username = UsernameField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        help_text="Letters, digits and @ . + - _",
    )
    email = AddressField(max_length=254, help_text="Where the operator can reach you.")
    password = StringField(**PASSWORD)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        user = User(username=attrs["username"], email=attrs["email"])
        try:
            validate_password(attrs["password"], user=user)
        except DjangoValidationError as error:
            raise serializers.ValidationError({"password": get_error_detail(error)}) from error
        return attrs


class CredentialsSerializer(StrictSerializer):
    username = UsernameField(max_length=150, help_text="In any case.")
    password = StringField(**PASSWORD)


class RefreshSerializer(StrictSerializer):
    refresh = StringField(max_length=2000, help_text="The newest refresh token.")


class TokenPairSerializer(serializers.Serializer):
    access = serializers.CharField(
        help_text="For `Authorization: Bearer …` with every other call; good for an hour."
    )
    refresh = serializers.CharField(help_text="For the next pair; good once, for 14 days.")


class UserSerializer(serializers.ModelSerializer):
    id = serializers.UUIDField(read_only=True, help_text="The jobs' `userId`.")
    username = serializers.CharField(help_text="The name to log in with.")
    email = serializers.EmailField(help_text="Where the operator can reach you.")
    dateJoined = serializers.DateTimeField(source="date_joined", help_text="In UTC.")

    class Meta:
        model = User
        fields = ["id", "username", "email", "dateJoined"]


class ProblemSerializer(serializers.Serializer):
    """401, 403 and 429."""

    detail = serializers.CharField(help_text="A sentence for a person.")
    code = serializers.CharField(help_text="A word for a program.")


class FaultSerializer(serializers.Serializer):
    field = serializers.CharField(allow_null=True, help_text="Where; null: in no single field.")
    message = serializers.CharField(help_text="What is wrong, as a sentence for a person.")
    code = serializers.CharField(help_text="What is wrong, as a word for a program.")


class InvalidSerializer(ProblemSerializer):
    """400, 413 and 415: the first fault, and all of them."""

    field = serializers.CharField(allow_null=True, help_text="Where the first fault is.")
    errors = FaultSerializer(  # type: ignore[assignment]  # DRF takes it for a field
        many=True, help_text="All faults, the first first."
    )
