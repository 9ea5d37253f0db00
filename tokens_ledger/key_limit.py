"""How many tokens the orders of one API key may cost per day (UTC)."""

from datetime import datetime, timedelta
from math import ceil

from django.db.models import Sum

from tokens_ledger.models import Entry

DAY = timedelta(days=1)


class KeyLimitReached(Exception):
    """A charge would exceed the daily `limit`, of which `left` tokens remain.

    The next day begins in `wait_seconds`.
    """

    def __init__(self, *, limit: int, left: int, wait_seconds: int) -> None:
        super().__init__(f"{left} of {limit} tokens are left today")
        self.limit, self.left, self.wait_seconds = limit, left, wait_seconds


def check(*, charge: Entry, limit: int) -> None:
    """Call inside the charge's transaction, after the entry is written; raising rolls it back.

    All orders with one key charge one account, whose lock serializes them. A refund gives back
    what its charge took from that charge's day. Raises KeyLimitReached.
    """
    now = charge.created_at
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = _spent(charge, today)
    if spent > limit:
        wait = ceil((today + DAY - now).total_seconds())
        raise KeyLimitReached(limit=limit, left=limit - spent - charge.amount, wait_seconds=wait)


def _spent(charge: Entry, today: datetime) -> int:
    charges = Entry.objects.filter(
        kind=Entry.Kind.CHARGE, api_key=charge.api_key, created_at__gte=today
    )
    refunds = Entry.objects.filter(
        kind=Entry.Kind.REFUND, reference__in=charges.values("reference")
    )
    return -sum(
        entries.aggregate(total=Sum("amount", default=0))["total"] for entries in (charges, refunds)
    )
