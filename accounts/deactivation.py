"""Who may use the service: a deactivated user's tokens and sessions stop working at once."""

from accounts.models import User


class NotAllowed(Exception):
    """Why a user's state is not changed; the text is the end of a sentence."""


def set_active(*, user: User, actor: User, active: bool) -> None:
    """Deactivate `user`, or reactivate. Raises NotAllowed.

    Staff are switched by superusers alone, and nobody switches off themselves.
    """
    if user.pk == actor.pk:
        raise NotAllowed("nobody deactivates themselves")
    if (user.is_staff or user.is_superuser) and not actor.is_superuser:
        raise NotAllowed("only a superuser deactivates staff")
    if not User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
        raise NotAllowed(
            f"is {'active' if active else 'inactive'} already, or was deleted meanwhile"
        )
