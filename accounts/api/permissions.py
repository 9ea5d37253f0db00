"""What a request with an API key may not do."""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiKey

READING = ("GET", "HEAD")


class ApiKeyScope(BasePermission):
    """Refuses changes by a `read` key, and the calls that a view lists in `session_required`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        key = request.auth
        if not isinstance(key, ApiKey):
            return True
        if request.method in getattr(view, "session_required", ()):
            raise PermissionDenied(
                "This call needs an access token, not an API key.", code="session_required"
            )
        if key.scope == ApiKey.Scope.READ and request.method not in READING:
            raise PermissionDenied("This API key may only read.", code="read_only_key")
        return True
