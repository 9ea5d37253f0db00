"""Throttles of registration and log-in."""

from rest_framework.request import Request

from accounts.models import User
from videostudio.core.api.throttling import WindowThrottle


class AddressThrottle(WindowThrottle):
    """Log-in, refresh and registration together, per address."""

    scope = "auth"


class LoginNameThrottle(WindowThrottle):
    """Login attempts for one name, from all addresses, successful or not."""

    scope = "login_name"

    def identity(self, request: Request) -> str | None:
        """The name as log-in compares it: trimmed, normalized, case-insensitive."""
        name = request.data.get("username") if hasattr(request.data, "get") else None
        if not isinstance(name, str):
            return None  # the serializer will refuse it
        max_length = User._meta.get_field("username").max_length
        return User.normalize_username(name.strip()[:max_length]).casefold()
