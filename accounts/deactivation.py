"""Deactivate users: their access tokens and sessions stop working at once."""

from accounts import erasure
from accounts.models import User


class NotAllowed(Exception):
    """The reason why a user's state was not changed, as the end of a sentence."""


def refusal(*, user: User, actor: User) -> str:
    """Why `actor` may not change this user; "" if they may."""
    if user.pk == actor.pk:
        return "is your account: you cannot deactivate yourself"
    if (user.is_staff or user.is_superuser) and not actor.is_superuser:
        return "is staff: only a superuser can deactivate or reactivate staff"
    if erasure.is_erased(user):
        return "has deleted the account"
    return ""


def set_active(*, user: User, actor: User, active: bool) -> None:
    """Deactivate or reactivate `user`. Raises NotAllowed.

    Only superusers can change staff, and users cannot change themselves.
    """
    if reason := refusal(user=user, actor=actor):
        raise NotAllowed(reason)
    if not User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
        raise NotAllowed(
            f"is {'active' if active else 'inactive'} already, or was deleted meanwhile"
        )
