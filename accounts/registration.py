"""Registration. Unique constraints reject duplicate names; the error message is built later."""

from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User

FIELDS = {"username_unique_in_any_case": "username", "email_unique_in_any_case": "email"}


class AlreadyRegistered(Exception):
    """The name or the address is taken. `args[0]` maps each field to a sentence."""


def register(
    *, username: str, email: str, password: str, welcome: Callable[..., None] | None = None
) -> User:
    """Create a user from clean values; `welcome(user=…)` runs in the same transaction.

    Raises AlreadyRegistered, also if a simultaneous registration came first.
    """
    user = User(username=username, email=email)
    user.set_password(password)  # slow by design, so before the transaction
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            if welcome:
                welcome(user=user)
    except IntegrityError as error:
        if problems := _conflicts(user):
            raise AlreadyRegistered(problems) from error
        raise
    return user


def _conflicts(user: User) -> dict[str, str]:
    problems = {}
    for constraint in User._meta.constraints:
        try:
            constraint.validate(User, user)
        except ValidationError as error:
            problems[FIELDS[constraint.name]] = error.messages[0]
    return problems
