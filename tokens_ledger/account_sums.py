"""What was granted to an account, charged and refunded in all, without reading all of its entries.

Each completed check of the ledger stores the sums up to an entry that is settled (see `sums`).
Later entries are added up when they are asked for.
"""

from typing import Any

from django.db import transaction
from django.db.models import Max, Q, QuerySet, Sum

from tokens_ledger.models import AccountSums, Entry

BATCH = 1_000  # rows of one statement
KINDS = Entry.Kind.values
SUMS: dict[str, Any] = {kind: Sum("amount", filter=Q(kind=kind), default=0) for kind in KINDS}


def by_kind(*, account: Any) -> dict[str, int]:
    """The sum of each kind of entry of the account with this primary key."""
    stored = AccountSums.objects.filter(account=account).first()
    until = stored.until if stored else 0
    newer = add_up(Entry.objects.filter(account=account, id__gt=until))
    return {kind: newer[kind] + (getattr(stored, kind) if stored else 0) for kind in KINDS}


def add_up(entries: QuerySet[Entry]) -> dict[str, int]:
    """The sum of each kind of these entries, all of which are read."""
    found: dict[str, int] = entries.aggregate(**SUMS)
    return found


def store(*, until: int) -> None:
    """Store the sums up to the entry `until`, of the accounts that have new entries."""
    with transaction.atomic():
        last = AccountSums.objects.aggregate(last=Max("until"))["last"] or 0
        new = Entry.objects.filter(id__gt=last, id__lte=until).order_by()
        found: list[Any] = list(new.values("account").annotate(**SUMS))
        for start in range(0, len(found), BATCH):
            _store(found[start : start + BATCH], last, until)


def _store(found: list[Any], last: int, until: int) -> None:
    """Add the sums of entries between `last` and `until`, by account."""
    known = AccountSums.objects.in_bulk([each["account"] for each in found])
    rows = []
    for each in found:
        before = known.get(each["account"])
        if before and before.until > last:
            continue  # another check stored it meanwhile
        sums = {kind: each[kind] + (getattr(before, kind) if before else 0) for kind in KINDS}
        rows.append(AccountSums(account_id=each["account"], until=until, **sums))
    AccountSums.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["account"],
        update_fields=[*KINDS, "until"],
    )
