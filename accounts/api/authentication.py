"""Who asks: simplejwt's answer, but for its query, which every request of a client needs."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework_simplejwt.authentication import JWTAuthentication

from accounts.models import User
from accounts.prepared import Select, key

FIELDS = [field.attname for field in User._meta.concrete_fields]
A_USER = Select(lambda: User.objects.filter(pk=key("id")).values_list(*FIELDS))


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
