"""How many entries an account has, and their sums by kind, without reading all of them.

Each completed check of the ledger stores both, for every account, up to an entry that is settled
(see `sums`). Later entries are counted and added up when the figures are asked for.
"""

from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Model, Q, QuerySet, Sum

from tokens_ledger.models import AccountSums, Entry, EntryCount, LedgerCheck

BATCH = 1_000  # rows of one statement
KINDS = Entry.Kind.values
SUMS: dict[str, Any] = {kind: Sum("amount", filter=Q(kind=kind), default=0) for kind in KINDS}
STORED: dict[type[Model], dict[str, Any]] = {
    EntryCount: {"entries": Count("pk")},
    AccountSums: SUMS,
}


def entries(*, account: Any) -> int:
    """The number of entries of the account with this primary key."""
    stored = EntryCount.objects.filter(account=account).first()
    newer = Entry.objects.filter(account=account, id__gt=stored.until if stored else 0)
    return newer.count() + (stored.entries if stored else 0)


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
    """Store the totals up to the entry `until`, of the accounts that have new entries.

    Simultaneous checks store one after the other, because each continues after the last entry that
    any account's totals include. Their lock is the first check's row, which is never deleted.
    """
    for table, totals in STORED.items():
        rows = table._default_manager
        with transaction.atomic():
            LedgerCheck.objects.select_for_update().order_by("id").first()
            last = rows.aggregate(last=Max("until"))["last"] or 0
            new = Entry.objects.filter(id__gt=last, id__lte=until).order_by()
            found: list[Any] = list(new.values("account").annotate(**totals))
            for start in range(0, len(found), BATCH):
                _add(table, found[start : start + BATCH], until)


def _add(table: type[Model], found: list[Any], until: int) -> None:
    """Add the totals of new entries, by account."""
    rows, columns = table._default_manager, [*STORED[table]]
    known: dict[Any, Any] = rows.in_bulk([each["account"] for each in found])
    changed = []
    for each in found:
        before = known.get(each["account"])
        totals = {name: each[name] + getattr(before, name, 0) for name in columns}
        changed.append(table(account_id=each["account"], until=until, **totals))
    rows.bulk_create(
        changed, update_conflicts=True, unique_fields=["account"], update_fields=[*columns, "until"]
    )
