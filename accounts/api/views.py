"""Registration, login, refresh and logout; the user's own account and password.

Each view makes one domain call.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.fields import get_error_detail
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.authentication import JWTAuthentication

from accounts import jwt, passwords, registration
from accounts.api import schema, serializers
from accounts.api.throttling import AddressThrottle, LoginNameThrottle, OwnPasswordThrottle
from accounts.models import User
from videostudio.core.api.parsers import BoundedFormParser
from videostudio.core.api.strict import StrictView, read
from videostudio.core.api.throttling import WindowThrottle


class PublicView(StrictView):
    """For clients without an access token. A token in the request is ignored, even a valid one."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    reads_body = {"post"}
    parser_classes = (*StrictView.parser_classes, BoundedFormParser)
    throttle_classes: Sequence[type[WindowThrottle]] = (AddressThrottle,)

    def get_authenticate_header(self, request: Request) -> str:
        """Without this header DRF turns each 401 into a 403."""
        return JWTAuthentication().authenticate_header(request)


@contextmanager
def _counting_wrong_passwords(view: StrictView) -> Iterator[None]:
    """Take back the count of a failed login, unless the password turns out to be wrong.

    A ValidationError means that no password was tried, or that only a new one was refused.
    """
    counted = [each for each in view.throttles if isinstance(each, LoginNameThrottle)]
    try:
        yield
    except (ValidationError, DjangoValidationError):
        for throttle in counted:
            throttle.uncount()
        raise
    for throttle in counted:
        throttle.uncount()


class RegisterView(PublicView):
    """Create an account. Name and e-mail address are unique, ignoring case."""

    welcome: Callable[..., None] | None = None

    @schema.register
    def post(self, request: Request) -> Response:
        if not settings.REGISTRATION_OPEN:
            raise PermissionDenied("Registration is closed.", code="registration_closed")
        form = read(serializers.RegisterSerializer, request.data)
        try:
            user = registration.register(**form, welcome=self.welcome)
        except registration.AlreadyRegistered as error:
            sentences = error.args[0].items()
            raise ValidationError({f: [ErrorDetail(s, "unique")] for f, s in sentences}) from error
        return Response(serializers.AccountSerializer(user).data, status=201)


class LoginView(PublicView):
    """Returns an access token, valid for an hour, and a refresh token for the next pair."""

    throttle_classes = (AddressThrottle, LoginNameThrottle)

    @schema.log_in
    def post(self, request: Request) -> Response:
        with _counting_wrong_passwords(self):
            values = read(serializers.LogInSerializer, request.data)
            pair = jwt.log_in(request=request, **values)
        return Response(pair._asdict())


class RefreshView(PublicView):
    """A refresh token works only once: store the new one."""

    @schema.refresh
    def post(self, request: Request) -> Response:
        values = read(serializers.RefreshTokenSerializer, request.data)
        return Response(jwt.rotate(**values)._asdict())


class LogoutView(PublicView):
    """Invalidates the refresh token. Access tokens remain valid until they expire."""

    throttle_classes = ()

    @schema.log_out
    def post(self, request: Request) -> Response:
        jwt.revoke(**read(serializers.RefreshTokenSerializer, request.data))
        return Response(status=204)


class MeView(StrictView):
    """`erase(user=…, now=…)` deletes the account and everything that belongs to it."""

    erase: Any = None
    session_required = ("DELETE",)
    reads_body = {"delete"}
    throttles_of = {"delete": OwnPasswordThrottle}

    @schema.me
    def get(self, request: Request) -> Response:
        return Response(serializers.AccountSerializer(request.user).data)

    @schema.delete_account
    def delete(self, request: Request) -> Response:
        user = cast(User, request.user)
        try:
            with _counting_wrong_passwords(self):
                values = read(serializers.DeleteAccountSerializer, request.data)
                passwords.check(user=user, **values)
        except passwords.WrongPassword as error:
            raise _wrong_password("password") from error
        self.erase(user=user, now=timezone.now())
        return Response(status=204)


class PasswordView(StrictView):
    session_required = ("POST",)
    reads_body = {"post"}
    throttle_classes = (OwnPasswordThrottle,)

    @schema.change_password
    def post(self, request: Request) -> Response:
        user = cast(User, request.user)
        try:
            with _counting_wrong_passwords(self):
                values = read(serializers.ChangePasswordSerializer, request.data)
                pair = passwords.change(user=user, **values)
        except passwords.WrongPassword as error:
            raise _wrong_password("currentPassword") from error
        except DjangoValidationError as error:
            raise _weak_password(error) from error
        return Response(pair._asdict())


class RequestResetView(PublicView):
    @schema.request_reset
    def post(self, request: Request) -> Response:
        _require_mail()
        email = read(serializers.RequestResetSerializer, request.data)["email"]
        path = reverse("password-reset")
        url = settings.PUBLIC_URL.rstrip("/")
        page = f"{url}{path}" if url else request.build_absolute_uri(path)
        passwords.request_reset(
            email=email, link=lambda token: f"{page}?{urlencode({'token': token})}"
        )
        return Response(status=204)


class ResetView(PublicView):
    @schema.reset_password
    def post(self, request: Request) -> Response:
        _require_mail()
        try:
            passwords.reset(**read(serializers.ResetSerializer, request.data))
        except passwords.InvalidLink as error:
            detail = ErrorDetail("This link was used, or is over an hour old", "invalid_link")
            raise ValidationError({"token": [detail]}) from error
        except DjangoValidationError as error:
            raise _weak_password(error) from error
        return Response(status=204)


def _require_mail() -> None:
    if not settings.EMAIL_URL:
        raise Http404


def _wrong_password(field: str) -> ValidationError:
    detail = ErrorDetail("This is not your password", "wrong_password")
    return ValidationError({field: [detail]})


def _weak_password(error: DjangoValidationError) -> ValidationError:
    return ValidationError({"newPassword": get_error_detail(error)})
