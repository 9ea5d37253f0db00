"""How many tokens a staff member without the UNLIMITED permission may refund per day."""

from datetime import datetime

from django.conf import settings
from django.db.models import Sum

from accounts.models import User
from tokens_ledger.models import Entry

UNLIMITED = "tokens_ledger.refund_without_limit"


class DailyLimitReached(Exception):
    """A refund would exceed the daily `limit`, of which `left` tokens remain."""

    def __init__(self, *, limit: int, left: int) -> None:
        super().__init__(f"{left} of {limit} tokens are left today")
        self.limit, self.left = limit, left


def left(*, actor: User, now: datetime) -> int | None:
    """The tokens that `actor` may still refund today (UTC); None if unlimited."""
    if actor.has_perm(UNLIMITED):
        return None
    return max(0, settings.STAFF_REFUND_DAILY_TOKENS - _refunded_today(actor, now))


def check(*, actor: User, amount: int, now: datetime) -> None:
    """Call inside the transaction of a refund of `amount` tokens, after the entry is written;
    raising rolls it back.

    The lock on the actor serializes one person's refunds, so that simultaneous refunds cannot
    exceed the limit together. Raises DailyLimitReached.
    """
    if actor.has_perm(UNLIMITED):
        return
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    limit, refunded = settings.STAFF_REFUND_DAILY_TOKENS, _refunded_today(actor, now)
    if refunded > limit:
        raise DailyLimitReached(limit=limit, left=limit - refunded + amount)


def _refunded_today(actor: User, now: datetime) -> int:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    refunds = Entry.objects.filter(kind=Entry.Kind.REFUND, actor=actor, created_at__gte=today)
    return refunds.aggregate(total=Sum("amount", default=0))["total"]
