"""Registration, log-in, refresh and log-out. Each view makes one domain call."""

from collections.abc import Callable, Sequence

from django.conf import settings
from rest_framework.exceptions import ErrorDetail, PermissionDenied, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.authentication import JWTAuthentication

from accounts import jwt, registration
from accounts.api import schema
from accounts.api.serializers import (
    CredentialsSerializer,
    RefreshSerializer,
    RegistrationSerializer,
    UserSerializer,
)
from accounts.api.throttling import AddressThrottle, LoginNameThrottle
from videostudio.core.api.parsers import BoundedFormParser
from videostudio.core.api.strict import StrictView, read
from videostudio.core.api.throttling import WindowThrottle


class PublicView(StrictView):
    """For clients without a valid access token. One in the request, valid or not, is ignored."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    reads_body = {"post"}
    parser_classes = (*StrictView.parser_classes, BoundedFormParser)
    throttle_classes: Sequence[type[WindowThrottle]] = (AddressThrottle,)

    def get_authenticate_header(self, request: Request) -> str:
        """Without this header DRF turns each 401 into a 403."""
        return JWTAuthentication().authenticate_header(request)


class RegisterView(PublicView):
    """Create an account. Name and e-mail address are unique, whatever their case."""

    welcome: Callable[..., None] | None = None

    @schema.register
    def post(self, request: Request) -> Response:
        if not settings.REGISTRATION_OPEN:
            raise PermissionDenied("Registration is closed.", code="registration_closed")
        form = read(RegistrationSerializer, request.data)
        try:
            user = registration.register(**form, welcome=self.welcome)
        except registration.AlreadyRegistered as error:
            sentences = error.args[0].items()
            raise ValidationError({f: [ErrorDetail(s, "unique")] for f, s in sentences}) from error
        return Response(UserSerializer(user).data, status=201)


class LoginView(PublicView):
    """Returns an access token, valid for an hour, and a refresh token for the next pair."""

    throttle_classes = (AddressThrottle, LoginNameThrottle)

    @schema.log_in
    def post(self, request: Request) -> Response:
        try:
            pair = jwt.log_in(request=request, **read(CredentialsSerializer, request.data))
        except ValidationError:
            self._uncount()  # no password was tried
            raise
        self._uncount()
        return Response(pair._asdict())

    def _uncount(self) -> None:
        for throttle in self.throttles:
            if isinstance(throttle, LoginNameThrottle):
                throttle.uncount()


class RefreshView(PublicView):
    """A refresh token works only once: store the new one."""

    @schema.refresh
    def post(self, request: Request) -> Response:
        return Response(jwt.rotate(**read(RefreshSerializer, request.data))._asdict())


class LogoutView(PublicView):
    """Invalidates the refresh token. Access tokens remain valid until they expire."""

    throttle_classes = ()

    @schema.log_out
    def post(self, request: Request) -> Response:
        jwt.revoke(**read(RefreshSerializer, request.data))
        return Response(status=204)
