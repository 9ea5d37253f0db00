"""Deactivate users: their access tokens and sessions stop working at once."""

from accounts.models import User


class NotAllowed(Exception):
    """The reason why a user's state was not changed, as the end of a sentence."""


def set_active(*, user: User, actor: User, active: bool) -> None:
    """Deactivate or reactivate `user`. Raises NotAllowed.

    Only superusers can change staff, and users cannot change themselves.
    """
    if user.pk == actor.pk:
        raise NotAllowed("nobody deactivates themselves")
    if (user.is_staff or user.is_superuser) and not actor.is_superuser:
        raise NotAllowed("only a superuser deactivates staff")
    if not User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
        raise NotAllowed(
            f"is {'active' if active else 'inactive'} already, or was deleted meanwhile"
        )
