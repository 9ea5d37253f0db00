"""The user's API keys. Only a person with an access token makes, lists and revokes them."""

from typing import cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import api_keys
from accounts.api import schema
from accounts.api.key_serializers import CreatedKeySerializer, KeyListSerializer, NewKeySerializer
from accounts.api.throttling import NewKeyThrottle
from accounts.models import User
from videostudio.core.api.errors import Problem
from videostudio.core.api.strict import StrictView, id_in_path, read


@extend_schema(tags=["keys"])
class KeysView(StrictView):
    session_required = ("GET", "HEAD", "POST")
    reads_body = {"post"}
    throttles_of = {"post": NewKeyThrottle}

    @schema.create_key
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

    @schema.list_keys
    def get(self, request: Request) -> Response:
        keys = api_keys.of_user(user=cast(User, request.user))
        return Response(KeyListSerializer({"keys": keys}).data)


@extend_schema(tags=["keys"])
class KeyView(StrictView):
    session_required = ("DELETE",)
    noun = "key"

    @schema.revoke_key
    def delete(self, request: Request, pk: str) -> Response:
        user = cast(User, request.user)
        if not api_keys.revoke_own(user=user, id=id_in_path(pk), now=timezone.now()):
            raise NotFound
        return Response(status=204)
