"""Find a user by name, ignoring case."""

from django.db.models import Value
from django.db.models.functions import Lower

from accounts.models import User


def find(*, username: str) -> User | None:
    """Compares as the unique constraint on names does, so at most one user matches.

    PostgreSQL also finds "alice" for "alİce". That is another name for LoginNameThrottle, and would
    allow more guesses, so it is no match.
    """
    users = User.objects.annotate(in_lower_case=Lower("username"))
    user = users.filter(in_lower_case=Lower(Value(username))).first()
    return user if user and user.username.casefold() == username.casefold() else None
