"""Who fails at the staff's login too often is locked out for a while, by name and by address.

django-axes counts in the database, so that all processes count together.
"""

from ipaddress import ip_address
from typing import Any, cast

from axes.handlers.database import AxesDatabaseHandler
from django.db.models import Sum
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

SHARED_BY = 10  # people: an address may fail this many times as often as a name
LONGEST_NAME = 255  # of those that axes writes down


class StaffLockout(AxesDatabaseHandler):
    """axes' own, but failures at the API's log-in are not counted: it has throttles of its own.

    Many people may share an address: an office, or the world behind a proxy that TRUSTED_PROXIES
    leaves out. So a stranger's few failures must not lock out whoever has the same one.
    """

    def get_failures(self, request: Any, credentials: dict | None = None) -> int:
        by_name, by_address = (
            attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        return max(by_name, by_address // SHARED_BY)

    def reset_user_attempts(self, request: Any, credentials: dict | None = None) -> int:
        """After a success, forget the name's failures; the address's may be somebody else's."""
        by_name, _ = self.filter_user_attempts(request, credentials)
        return by_name.delete()[0]

    def user_login_failed(
        self, sender: Any, credentials: dict, request: Any = None, **kwargs: Any
    ) -> None:
        if self.is_admin_request(request):
            super().user_login_failed(sender, credentials, request, **kwargs)


def name(request: HttpRequest, credentials: dict | None = None) -> str | None:
    """The name that was typed, as far as it can be written down."""
    given = (credentials or request.POST).get("username")
    return given and str(given)[:LONGEST_NAME]


def address(request: HttpRequest) -> str | None:
    """The client's address, as the API's throttles see it (TRUSTED_PROXIES); None if it is none."""
    try:
        return str(ip_address(BaseThrottle().get_ident(cast(Request, request))))
    except ValueError:
        return None
