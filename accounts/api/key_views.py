"""The user's API keys. Only a person with an access token makes, lists and revokes them."""

from typing import Any, cast
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import api_keys
from accounts.api import key_schema
from accounts.api.key_serializers import (
    CreatedKeySerializer,
    KeyListSerializer,
    NewKeySerializer,
)
from accounts.api.throttling import NewKeyThrottle
from accounts.models import User
from videostudio.core.api.errors import Problem
from videostudio.core.api.strict import StrictView, read


@extend_schema(tags=["keys"])
class KeysView(StrictView):
    session_required = ("GET", "HEAD", "POST")
    reads_body = {"post"}

    def get_throttles(self) -> Any:
        return [NewKeyThrottle()] if self.request.method == "POST" else []

    @key_schema.create
    def post(self, request: Request) -> Response:
        values = read(NewKeySerializer, request.data)
        try:
            row, key = api_keys.create(user=cast(User, request.user), now=timezone.now(), **values)
        except api_keys.TooManyKeys as error:
            detail = f"You have {api_keys.MAX_KEYS} keys, the most possible: revoke one first."
            raise Problem(409, detail, "too_many_keys") from error
        except api_keys.OwnerInactive as error:
            raise AuthenticationFailed(str(error), code="user_inactive") from error
        row.key = key  # type: ignore[attr-defined]  # only for this response
        return Response(CreatedKeySerializer(row).data, status=201)

    @key_schema.list_keys
    def get(self, request: Request) -> Response:
        keys = api_keys.of_user(user=cast(User, request.user))
        return Response(KeyListSerializer({"keys": keys}).data)


@extend_schema(tags=["keys"])
class KeyView(StrictView):
    session_required = ("DELETE",)

    @key_schema.revoke
    def delete(self, request: Request, pk: str) -> Response:
        user = cast(User, request.user)
        if not api_keys.revoke_own(user=user, id=_uuid(pk), now=timezone.now()):
            raise NotFound
        return Response(status=204)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound from error
