"""Temporary lock-out after failed staff logins, by name and by address.

django-axes counts failures in the database, so that all processes share the counts.
"""

from ipaddress import ip_address
from typing import Any, cast

from axes.handlers.database import AxesDatabaseHandler
from django.db.models import Sum
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

ADDRESS_FACTOR = 10  # the limit of an address is this many times that of a name
MAX_NAME_LENGTH = 255  # of the column in which axes stores names


class StaffLockout(AxesDatabaseHandler):
    """axes' handler, without failed logins of the API, which has its own throttles.

    Many people may share an address: an office, or all clients behind a proxy that TRUSTED_PROXIES
    does not count. A few failures of one must not lock out all others with the same address.
    """

    def get_failures(self, request: Any, credentials: dict | None = None) -> int:
        by_name, by_address = (
            attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        return max(by_name, by_address // ADDRESS_FACTOR)

    def reset_user_attempts(self, request: Any, credentials: dict | None = None) -> int:
        """After a success, reset the name's failures only: the address may be shared."""
        by_name, _ = self.filter_user_attempts(request, credentials)
        return by_name.delete()[0]

    def user_login_failed(
        self, sender: Any, credentials: dict, request: Any = None, **kwargs: Any
    ) -> None:
        if self.is_admin_request(request):
            super().user_login_failed(sender, credentials, request, **kwargs)


def name(request: HttpRequest, credentials: dict | None = None) -> str | None:
    """The submitted name, cut to the length that can be stored."""
    submitted = (credentials or request.POST).get("username")
    return submitted and str(submitted)[:MAX_NAME_LENGTH]


def address(request: HttpRequest) -> str | None:
    """The client's address as in the API's throttles (TRUSTED_PROXIES); None if it is invalid."""
    try:
        return str(ip_address(BaseThrottle().get_ident(cast(Request, request))))
    except ValueError:
        return None
