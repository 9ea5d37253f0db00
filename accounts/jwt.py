"""A refresh token works once. The database decides who was first, not a look beforehand.

The tokens are simplejwt's own. Its refresh view is not used: of several simultaneous refreshes it
lets several pass, and it answers 500 for the token of a deleted user.
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
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken, TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User


class TokenPair(NamedTuple):
    access: str
    refresh: str


def log_in(*, request: HttpRequest, username: str, password: str) -> TokenPair:
    """A pair for who knows the password. 401 `no_active_account` otherwise, whatever is wrong."""
    refused = AuthenticationFailed(
        "No active account with this username and password.", code="no_active_account"
    )
    user = authenticate(request, username=username, password=password)
    if user is None:
        raise refused
    with transaction.atomic():
        # Locks the row until the token is written: nobody deletes the user in between.
        if not User.objects.filter(pk=user.pk, is_active=True).update(last_login=timezone.now()):
            raise refused
        return issue(user=user)


def issue(*, user: AbstractBaseUser) -> TokenPair:
    """A new access and refresh token; the latter is written down as outstanding."""
    refresh = RefreshToken.for_user(user)
    return TokenPair(access=str(refresh.access_token), refresh=str(refresh))


def rotate(*, refresh: str) -> TokenPair:
    """Spend a refresh token on a new pair.

    Raises simplejwt's 401s: `token_not_valid` (malformed, expired, spent, unknown),
    `user_not_found`, `user_inactive`, `password_changed`.
    """
    with _spent(refresh) as token:
        return issue(user=JWTAuthentication().get_user(token))


def revoke(*, refresh: str) -> None:
    """Spend a refresh token on nothing. 401 `token_not_valid` where it is not good any more."""
    with _spent(refresh):
        pass


def expired(*, now: datetime) -> QuerySet[OutstandingToken]:
    """The tokens that nobody can use any more; with each goes its line in the blacklist."""
    return OutstandingToken.objects.filter(expires_at__lte=now)


@contextmanager
def _spent(refresh: str) -> Iterator[RefreshToken]:
    """A transaction in which the token is spent: blacklisted, which the database allows once."""
    try:
        token = RefreshToken(refresh)  # type: ignore[arg-type]  # their hint is wrong
    except TokenError as error:
        raise InvalidToken(str(error)) from error
    try:
        with transaction.atomic():
            written = OutstandingToken.objects.get(jti=token["jti"])
            BlacklistedToken.objects.create(token=written)
            yield token
    # Another was first, the user was deleted meanwhile, or our key signed what `issue` never wrote.
    except (IntegrityError, OutstandingToken.DoesNotExist) as error:
        raise InvalidToken("Token is spent or unknown") from error
