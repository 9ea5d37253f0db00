"""Temporary lock-out after failed staff logins.

A name is locked at the address where it failed; at all addresses only after many more failures, and
then not where its user has logged in lately: guesses from elsewhere lock nobody out. An address is
locked for all names after many failures.

django-axes counts failures in the database, so that all processes share the counts.
"""

from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any, cast

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessLog
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from videostudio.core.api.throttling import client_address

# The limits of an address and of a name are this many times that of a name at an address.
ADDRESS_FACTOR, NAME_FACTOR = 10, 40
KNOWN_ADDRESS = timedelta(days=30)  # since the user's last login there
MAX_NAME_LENGTH = 255  # of the column in which axes stores names


class StaffLockout(AxesDatabaseHandler):
    """axes' handler, without failed logins of the API, which has its own throttles.

    Many people may share an address: an office, or all clients behind a proxy that TRUSTED_PROXIES
    does not count. A few failures of one must not lock out all others with the same address.
    """

    def get_failures(self, request: Any, credentials: dict | None = None) -> int:
        at_address, by_name, by_address = (
            attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        limits = [at_address, by_name // NAME_FACTOR, by_address // ADDRESS_FACTOR]
        if by_name >= NAME_FACTOR and _is_known_address(request, credentials):
            limits.remove(by_name // NAME_FACTOR)
        return max(limits)

    def reset_user_attempts(self, request: Any, credentials: dict | None = None) -> int:
        """After a success, reset the name's failures at this address only."""
        at_address, _, _ = self.filter_user_attempts(request, credentials)
        return at_address.delete()[0]

    def user_login_failed(
        self, sender: Any, credentials: dict, request: Any = None, **kwargs: Any
    ) -> None:
        if self.is_admin_request(request):
            super().user_login_failed(sender, credentials, request, **kwargs)


def _is_known_address(request: Any, credentials: dict | None) -> bool:
    """Whether the user with the submitted name has logged in here lately."""
    return AccessLog.objects.filter(
        username=name(request, credentials),
        ip_address=request.axes_ip_address,
        attempt_time__gte=timezone.now() - KNOWN_ADDRESS,
    ).exists()


def expired(*, now: datetime) -> QuerySet[AccessLog]:
    """The logins that are too old to make an address known."""
    return AccessLog.objects.filter(attempt_time__lt=now - KNOWN_ADDRESS)


def name(request: HttpRequest, credentials: dict | None = None) -> str | None:
    """The submitted name, cut to the length that can be stored."""
    submitted = (credentials or request.POST).get("username")
    return submitted and str(submitted)[:MAX_NAME_LENGTH]


def address(request: HttpRequest) -> str | None:
    """The client's address as in the API's throttles (TRUSTED_PROXIES); None if it is invalid."""
    address = client_address(BaseThrottle().get_ident(cast(Request, request)))
    try:
        return str(ip_network(address).network_address)  # axes' column takes no network
    except ValueError:
        return None
