"""Throttles of registration, login and new API keys."""

from rest_framework.request import Request

from accounts.models import User
from videostudio.core.api.throttling import UserThrottle, WindowThrottle


class AddressThrottle(WindowThrottle):
    """Logins, refreshes, registrations and password resets together, per address."""

    scope = "auth"
    counted = "logins, refreshes, registrations and password resets from one address"


class LoginNameThrottle(WindowThrottle):
    """Failed logins with one name from one address.

    Every login is counted before the password is checked, so that simultaneous guesses cannot
    exceed the limit; the view does not count a successful one. Guesses from another address do not
    count, so nobody can lock a user out.
    """

    scope = "login_name"
    counted = "failed logins with one name from one address"

    def identity(self, request: Request) -> str | None:
        """The address, and the name as the login compares it: trimmed, normalized, in one case."""
        name = self.submitted_name(request)
        if not isinstance(name, str):
            return None  # the serializer will refuse it
        max_length = User._meta.get_field("username").max_length
        name = User.normalize_username(name.strip()[:max_length]).casefold()
        return f"{super().identity(request)} {name}"

    def submitted_name(self, request: Request) -> object:
        return request.data.get("username") if hasattr(request.data, "get") else None


class OwnPasswordThrottle(LoginNameThrottle):
    """Wrong passwords of a user who is logged in count as failed logins with that name."""

    def submitted_name(self, request: Request) -> object:
        return request.user.get_username()


class NewKeyThrottle(UserThrottle):
    """MAX_KEYS does not limit a client that makes and revokes keys in a loop."""

    scope = "new_key"
    counted = "new API keys of one user"
