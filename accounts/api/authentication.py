"""Authentication with simplejwt's access tokens."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed


class AccessTokenAuthentication(JWTAuthentication):
    """Responds with 401 to a token whose user id is not a UUID; simplejwt responds with 500."""

    def get_user(self, validated_token: Any) -> Any:
        try:
            return super().get_user(validated_token)
        except ValidationError as error:
            raise AuthenticationFailed("User not found", code="user_not_found") from error
