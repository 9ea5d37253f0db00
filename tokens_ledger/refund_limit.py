"""How many tokens one of the staff may give back in a day, unless they may without a limit."""

from datetime import datetime

from django.conf import settings
from django.db.models import Sum

from accounts.models import User
from tokens_ledger.models import Entry

UNLIMITED = "tokens_ledger.refund_without_limit"


class DailyLimitReached(Exception):
    """A refund would take somebody over the `limit` of a day, of which only `left` is left."""

    def __init__(self, *, limit: int, left: int) -> None:
        super().__init__(f"{left} of {limit} tokens are left today")
        self.limit, self.left = limit, left


def left(*, actor: User, now: datetime) -> int | None:
    """What `actor` may still give back today (in UTC); None without a limit."""
    if actor.has_perm(UNLIMITED):
        return None
    return settings.STAFF_REFUND_DAILY_TOKENS - _given(actor, now)


def check(*, actor: User, now: datetime) -> None:
    """Asked after a refund is written and before it is committed: it undoes it by raising.

    Needs a transaction. The lock on the actor makes one person's refunds follow each other, so
    that many at once do not get past the limit together. Raises DailyLimitReached.
    """
    if actor.has_perm(UNLIMITED):
        return
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    limit, given = settings.STAFF_REFUND_DAILY_TOKENS, _given(actor, now)
    if given > limit:
        last = Entry.objects.filter(kind=Entry.Kind.REFUND, actor=actor).latest("id")
        raise DailyLimitReached(limit=limit, left=limit - given + last.amount)


def _given(actor: User, now: datetime) -> int:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    refunds = Entry.objects.filter(kind=Entry.Kind.REFUND, actor=actor, created_at__gte=today)
    return refunds.aggregate(given=Sum("amount", default=0))["given"]
