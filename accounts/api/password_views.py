"""Change of a password, and reset of a lost one."""

from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from django.urls import reverse
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import get_error_detail
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import passwords
from accounts.api import password_schema
from accounts.api.password_serializers import (
    ChangePasswordSerializer,
    RequestResetSerializer,
    ResetSerializer,
)
from accounts.api.throttling import OwnPasswordThrottle
from accounts.api.views import PublicView
from accounts.models import User
from videostudio.core.api.strict import StrictView, read


def wrong_password(field: str) -> ValidationError:
    detail = ErrorDetail("This is not your password", "wrong_password")
    return ValidationError({field: [detail]})


def _weak(field: str, error: DjangoValidationError) -> ValidationError:
    return ValidationError({field: get_error_detail(error)})


class PasswordView(StrictView):
    session_required = ("POST",)
    reads_body = {"post"}

    def get_throttles(self) -> Any:
        return [OwnPasswordThrottle()]

    @password_schema.change
    def post(self, request: Request) -> Response:
        try:
            values = read(ChangePasswordSerializer, request.data)
        except ValidationError:
            self.uncount()  # no password was tried
            raise
        user = cast(User, request.user)
        try:
            pair = passwords.change(
                user=user, current=values["currentPassword"], new=values["newPassword"]
            )
        except passwords.WrongPassword as error:
            raise wrong_password("currentPassword") from error
        except DjangoValidationError as error:
            self.uncount()
            raise _weak("newPassword", error) from error
        self.uncount()
        return Response(pair._asdict())

    def uncount(self) -> None:
        for throttle in self.throttles:
            throttle.uncount()


class RequestResetView(PublicView):
    @password_schema.request_reset
    def post(self, request: Request) -> Response:
        _require_mail()
        email = read(RequestResetSerializer, request.data)["email"]
        path = reverse("password-reset")
        url = settings.PUBLIC_URL.rstrip("/")
        page = f"{url}{path}" if url else request.build_absolute_uri(path)
        passwords.request_reset(
            email=email, link=lambda token: f"{page}?{urlencode({'token': token})}"
        )
        return Response(status=204)


class ResetView(PublicView):
    @password_schema.reset
    def post(self, request: Request) -> Response:
        _require_mail()
        values = read(ResetSerializer, request.data)
        try:
            passwords.reset(token=values["token"], new=values["newPassword"])
        except passwords.InvalidLink as error:
            detail = ErrorDetail("This link was used, or is over an hour old", "invalid_link")
            raise ValidationError({"token": [detail]}) from error
        except DjangoValidationError as error:
            raise _weak("newPassword", error) from error
        return Response(status=204)


def _require_mail() -> None:
    if not settings.EMAIL_URL:
        raise Http404
