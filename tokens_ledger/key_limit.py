"""How many tokens the orders of one API key may cost per day (UTC).

`KeySpending` has what they have cost up to an entry; an order adds up the account's later entries.
So its cost does not grow with the number of orders in a day.
"""

from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum

from tokens_ledger.models import Entry, KeySpending

DAY = timedelta(days=1)
MOST_ADDED_UP = 100  # entries; an order that added up more stores the result


class KeyLimitReached(Exception):
    """A charge would exceed the daily `limit`, of which `left` tokens remain.

    The next day begins in `wait_seconds`.
    """

    def __init__(self, *, limit: int, left: int, wait_seconds: int) -> None:
        super().__init__(f"{left} of {limit} tokens are left today")
        self.limit, self.left, self.wait_seconds = limit, left, wait_seconds


def check(*, charge: Entry, key: UUID, limit: int) -> None:
    """Call inside the charge's transaction, after the entry is written; raising rolls it back.

    All orders with one key charge one account, whose lock serializes them. A refund gives back
    what its charge took from that charge's day. Raises KeyLimitReached.
    """
    now = charge.created_at
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = _spent(charge, key, today)
    if spent > limit:
        wait = ceil((today + DAY - now).total_seconds())
        raise KeyLimitReached(limit=limit, left=limit - spent - charge.amount, wait_seconds=wait)


def expired(*, now: datetime) -> QuerySet[KeySpending]:
    """The rows of days before yesterday."""
    return KeySpending.objects.filter(day__lt=(now - DAY).date())


def _spent(charge: Entry, key: UUID, today: datetime) -> int:
    """Under the account's lock all its entries with smaller ids are committed."""
    stored = KeySpending.objects.filter(api_key=key, day=today.date()).first()
    of_account = Entry.objects.filter(account=charge.account_id)
    if stored:
        newer = of_account.filter(id__gt=stored.until)
    else:
        newer = of_account.filter(created_at__gte=today)
    added = _add_up(newer, key, today)
    spent = (stored.tokens if stored else 0) - added["amount"]
    if added["entries"] > MOST_ADDED_UP:
        row = KeySpending(api_key=key, day=today.date(), tokens=spent, until=charge.pk)
        KeySpending.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["api_key"],
            update_fields=["day", "tokens", "until"],
        )
    return spent


def _add_up(entries: QuerySet[Entry], key: UUID, today: datetime) -> dict[str, int]:
    """The number of `entries`, and the sum of the key's charges of the day and of their refunds."""
    refunded = Entry.objects.filter(kind=Entry.Kind.CHARGE, reference=OuterRef("reference"))
    charges = Q(kind=Entry.Kind.CHARGE, api_key=key, created_at__gte=today)
    refunds = Q(kind=Entry.Kind.REFUND, refunded_key=key, refunded_at__gte=today)
    found: dict[str, int] = entries.annotate(
        refunded_key=Subquery(refunded.values("api_key")),
        refunded_at=Subquery(refunded.values("created_at")),
    ).aggregate(entries=Count("pk"), amount=Sum("amount", filter=charges | refunds, default=0))
    return found
