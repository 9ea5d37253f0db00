"""The account of the authenticated user: read it, or delete it."""

from typing import Any, cast

from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import passwords
from accounts.api import schema
from accounts.api.password_serializers import DeleteAccountSerializer
from accounts.api.password_views import wrong_password
from accounts.api.serializers import UserSerializer
from accounts.api.throttling import OwnPasswordThrottle
from accounts.models import User
from videostudio.core.api.strict import StrictView, read


class MeView(StrictView):
    """`erase(user=…, now=…)` deletes an account with all that belongs to it."""

    erase: Any = None
    session_required = ("DELETE",)
    reads_body = {"delete"}

    def get_throttles(self) -> Any:
        return [OwnPasswordThrottle()] if self.request.method == "DELETE" else []

    @schema.me
    def get(self, request: Request) -> Response:
        return Response(UserSerializer(request.user).data)

    @schema.delete_account
    def delete(self, request: Request) -> Response:
        user = cast(User, request.user)
        try:
            values = read(DeleteAccountSerializer, request.data)
        except ValidationError:
            self._uncount()  # no password was tried
            raise
        try:
            passwords.check(user=user, **values)
        except passwords.WrongPassword as error:
            raise wrong_password("password") from error
        self._uncount()
        self.erase(user=user, now=timezone.now())
        return Response(status=204)

    def _uncount(self) -> None:
        for throttle in self.throttles:
            throttle.uncount()
