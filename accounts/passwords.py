"""Change of a password, and reset of a lost one by mail.

Each writes the new hash only if the hash that it checked is still there, so exactly one of
simultaneous calls with one password, or one link, succeeds. Every access and refresh token holds a
digest of the hash, so a new hash ends all tokens. API keys stay.
"""

import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.cache import cache
from django.core.mail import send_mail
from django.db import transaction
from django.db.models.functions import Lower
from django.template.loader import render_to_string

from accounts import jwt
from accounts.models import User

logger = logging.getLogger(__name__)

MAIL_INTERVAL_SECONDS = 60  # to one address
SUBJECT = "Set a new password for Video Studio"

# Mails are sent outside the request: its duration must not tell whether the address is known. One
# thread, because they are few; those that wait are lost when the process is killed.
mailer = ThreadPoolExecutor(1, thread_name_prefix="mail")


class WrongPassword(Exception):
    """The password is not the user's."""


class InvalidLink(Exception):
    """The reset token is unknown, used or over an hour old."""


def check(*, user: User, password: str) -> None:
    """Raises WrongPassword."""
    if not user.check_password(password):
        raise WrongPassword


def change(*, user: User, current: str, new: str) -> jwt.TokenPair:
    """Set a new password and return new tokens: all earlier ones stop working.

    Raises WrongPassword, and Django's ValidationError if `new` is too weak.
    """
    check(user=user, password=current)
    validate_password(new, user=user)
    hashed = make_password(new)  # slow by design, so before the transaction
    with transaction.atomic():
        if not _replace(user, hashed):
            raise WrongPassword
        user.password = hashed
        return jwt.issue(user=user)


def request_reset(*, email: str, link: Callable[[str], str]) -> None:
    """Mail a link, from `link(token)`, to the active user with this address, if there is one.

    At most one mail a minute goes to an address. Known and unknown addresses take the same time.
    """
    digest = hashlib.sha256(email.lower().encode(errors="surrogatepass")).hexdigest()
    is_due = cache.add(f"password-reset:{digest}", 1, MAIL_INTERVAL_SECONDS)
    users = User.objects.annotate(address=Lower("email")).exclude(email="")
    user = users.filter(address=email.lower(), is_active=True).first()
    mailer.submit(_send, user if is_due else None, link)


def _send(user: User | None, link: Callable[[str], str]) -> None:
    if user is None:
        return
    try:
        token = f"{user.pk.hex}.{default_token_generator.make_token(user)}"
        text = render_to_string("password_reset_mail.txt", {"user": user, "link": link(token)})
        send_mail(SUBJECT, text, None, [user.email])
    except Exception:
        logger.exception("the mail server did not accept a mail")


def user_of_link(*, token: str) -> User:
    """The user for whom the link was made. Raises InvalidLink."""
    id, _, signed = token.partition(".")
    try:
        user = User.objects.filter(pk=UUID(hex=id), is_active=True).first()
    except ValueError as error:
        raise InvalidLink from error
    if user is None or not default_token_generator.check_token(user, signed):
        raise InvalidLink
    return user


def reset(*, token: str, new: str) -> None:
    """Set a new password by a mailed link, which then stops working, as do all tokens.

    Raises InvalidLink, and Django's ValidationError if `new` is too weak.
    """
    user = user_of_link(token=token)
    validate_password(new, user=user)
    if not _replace(user, make_password(new)):
        raise InvalidLink


def _replace(user: User, hashed: str) -> bool:
    unchanged = User.objects.filter(pk=user.pk, password=user.password, is_active=True)
    return unchanged.update(password=hashed) > 0
