"""Single-use refresh tokens. A unique constraint lets only one of simultaneous refreshes succeed.

The tokens are simplejwt's own. Its refresh view is not used: it lets several simultaneous refreshes
succeed, and responds with 500 to the token of a deleted user.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth import authenticate
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import (
    AuthenticationFailed,
    ExpiredTokenError,
    InvalidToken,
    TokenError,
)
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import user_names
from accounts.jwt_keys import RefreshToken, UntypedToken
from accounts.models import User

EXPIRED = "The refresh token has expired: log in again."
USED = "This refresh token was used before, or revoked: log in again."
WRONG_TYPE = "This is an access token: send the refresh token instead."
FOREIGN = "This is not a refresh token of this service."


class TokenPair(NamedTuple):
    access: str
    refresh: str


def log_in(*, request: HttpRequest, username: str, password: str) -> TokenPair:
    """Check the password and return a pair. The case of the name does not matter.

    Raises 401 `no_active_account` for any failure.
    """
    refused = AuthenticationFailed(
        "No active account with this username and password.", code="no_active_account"
    )
    named = user_names.find(username=username)
    name = named.username if named else username  # unknown names take as long as known ones
    user = authenticate(request, username=name, password=password)
    if user is None:
        raise refused
    with transaction.atomic():
        # Locks the row, so that the user cannot be deleted before the token is written.
        if not User.objects.filter(pk=user.pk, is_active=True).update(last_login=timezone.now()):
            raise refused
        return issue(user=user)


def issue(*, user: AbstractBaseUser) -> TokenPair:
    """A new access token, and a refresh token that is recorded as outstanding."""
    refresh = RefreshToken.for_user(user)
    return TokenPair(access=str(refresh.access_token), refresh=str(refresh))


def rotate(*, refresh: str) -> TokenPair:
    """Exchange a refresh token for a new pair.

    Raises simplejwt's 401s: `token_not_valid` (malformed, expired, spent, unknown),
    `user_not_found`, `user_inactive`, `password_changed`.
    """
    with _used_once(refresh) as token:
        return issue(user=JWTAuthentication().get_user(token))


def revoke(*, refresh: str) -> None:
    """Invalidate a refresh token. Raises 401 `token_not_valid` if it is no longer valid."""
    with _used_once(refresh):
        pass


def expired(*, now: datetime) -> QuerySet[OutstandingToken]:
    """The expired tokens. Deleting one also deletes its row in the blacklist."""
    return OutstandingToken.objects.filter(expires_at__lte=now)


@contextmanager
def _used_once(refresh: str) -> Iterator[RefreshToken]:
    """A transaction that blacklists the token, which the database allows only once."""
    try:
        token = RefreshToken(refresh)  # type: ignore[arg-type]  # simplejwt's hint is wrong
    except ExpiredTokenError as error:
        raise InvalidToken(EXPIRED) from error
    except TokenError as error:
        raise InvalidToken(_why_refused(refresh)) from error
    try:
        with transaction.atomic():
            outstanding = OutstandingToken.objects.get(jti=token["jti"])
            BlacklistedToken.objects.create(token=outstanding)
            yield token
    # Used by another request, user deleted meanwhile, or signed with our key but not by `issue`.
    except (IntegrityError, OutstandingToken.DoesNotExist) as error:
        raise InvalidToken(USED) from error


def _why_refused(refresh: str) -> str:
    """Why a refresh token that has not expired is refused."""
    try:
        claims = UntypedToken(refresh)  # type: ignore[arg-type]
    except TokenError:
        return FOREIGN
    kind = claims.get(api_settings.TOKEN_TYPE_CLAIM)
    return {"refresh": USED, "access": WRONG_TYPE}.get(str(kind), FOREIGN)
