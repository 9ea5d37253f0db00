"""Who fails at the staff's login too often is locked out for a while, by name and by address.

django-axes counts in the database, so that all processes count together.
"""

from ipaddress import ip_address
from typing import Any, cast

from axes.handlers.database import AxesDatabaseHandler
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


class StaffLockout(AxesDatabaseHandler):
    """axes' own, but failures at the API's log-in are not counted: it has throttles of its own."""

    def user_login_failed(
        self, sender: Any, credentials: dict, request: Any = None, **kwargs: Any
    ) -> None:
        if self.is_admin_request(request):
            super().user_login_failed(sender, credentials, request, **kwargs)


def address(request: HttpRequest) -> str | None:
    """The client's address, as the API's throttles see it (TRUSTED_PROXIES); None if it is none."""
    try:
        return str(ip_address(BaseThrottle().get_ident(cast(Request, request))))
    except ValueError:
        return None
