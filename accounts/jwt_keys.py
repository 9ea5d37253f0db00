"""simplejwt's tokens, verified with JWT_VERIFYING_KEYS too: a new key logs nobody out."""

from typing import Any

from django.conf import settings
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.state import token_backend

CLOCKS_DIFFER = 1  # seconds, of two machines


class Backend(TokenBackend):
    """Signs with the present key."""

    def encode(self, payload: dict[str, Any]) -> str:
        """Dates the token back: a machine whose clock is behind would refuse it as too early."""
        return super().encode(payload | {"iat": payload["iat"] - CLOCKS_DIFFER})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        for other in [token_backend, *self._others()]:
            try:
                return other.decode(token, verify)
            except TokenBackendExpiredToken:
                raise
            except TokenBackendError as error:
                refusal = error
        raise refusal

    def _others(self) -> list[TokenBackend]:
        return [TokenBackend(self.algorithm, key) for key in settings.JWT_VERIFYING_KEYS]


BACKEND = Backend(token_backend.algorithm, token_backend.signing_key)


class AccessToken(tokens.AccessToken):
    _token_backend = BACKEND


class RefreshToken(tokens.RefreshToken):
    _token_backend = BACKEND
    access_token_class = AccessToken


class UntypedToken(tokens.UntypedToken):
    _token_backend = BACKEND
