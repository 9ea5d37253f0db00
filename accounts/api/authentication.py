"""Who asks: simplejwt's answer, but for what every request of a client would do anew."""

from functools import lru_cache
from time import time
from typing import Any

from django.core.exceptions import ValidationError
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from accounts.prepared import Select, key

FIELDS = [field.attname for field in User._meta.concrete_fields]
A_USER = Select(lambda: User.objects.filter(pk=key("id")).values_list(*FIELDS))


TOKENS_KEPT = 2_000  # by each process; 1.5 kB each


class KnownAccessToken(AccessToken):
    """An access token that came with a request; each process looks at its signature once.

    What it says stays the same, but not whether it has expired: that is checked each time, and by
    `AccessTokenAuthentication` whether its user's password is still the one it was made with.
    """

    def __init__(self, token: Any) -> None:
        payload = _verified(token)
        if payload["exp"] <= time():
            super().__init__(token)  # refuses it
        self.token, self.payload = token, dict(payload)


@lru_cache(maxsize=TOKENS_KEPT)
def _verified(token: Any) -> dict[str, Any]:
    return AccessToken(token).payload


class AccessTokenAuthentication(JWTAuthentication):
    """Checks are simplejwt's own: no such user, an inactive one, another password since."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user_model: Any = _Users


class _Users:
    """What simplejwt asks of a user model."""

    DoesNotExist = User.DoesNotExist

    class objects:
        @staticmethod
        def get(*, id: str) -> User:
            try:
                row = next(iter(A_USER.rows(id=id)), None)
            except ValidationError:  # no UUID
                row = None
            if row is None:
                raise User.DoesNotExist
            return User.from_db("default", FIELDS, row)
