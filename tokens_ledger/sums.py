"""The sum of all entries by kind, without reading all entries each time.

Each completed check of the ledger stores the sums of the entries until ten minutes before it. Later
ones are added up when they are asked for. The sums are those of the check: a change of an older
entry, which the triggers refuse, is found by the next check.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet, Sum, Value

from tokens_ledger.models import Account, Entry, LedgerCheck

# No transaction is open for so long: later commits have no entry with a smaller id.
SETTLED = timedelta(minutes=10)


def settled(*, now: datetime) -> int:
    """The id of an entry such that it and all entries with smaller ids are committed; 0 if there
    is none.
    """
    old = Entry.objects.filter(created_at__lt=now - SETTLED).order_by("-created_at", "-id")
    return old.values_list("id", flat=True).first() or 0


def aggregates(*, until: int) -> dict[str, Any]:
    """For an aggregation over all entries: the sum of each kind until the entry `until`."""
    kinds = ((kind, Q(kind=kind, id__lte=until)) for kind in Entry.Kind.values)
    return {f"sum_{kind}": Sum("amount", filter=rows, default=0) for kind, rows in kinds}


def stored_and_newer(*, most: int) -> dict[str, int] | None:
    """The sum of each kind of entry; None if more than `most` entries are newer than the last
    completed check.
    """
    until, stored = _stored()
    newer = Entry.objects.filter(id__gt=until).order_by()
    return None if newer[: most + 1].count() > most else _added_up(stored, newer)


def by_kind() -> dict[str, int]:
    """The sum of each kind of entry. Until a check is completed, all entries are added up."""
    until, stored = _stored()
    return _added_up(stored, Entry.objects.filter(id__gt=until).order_by())


def imbalance() -> int:
    """The balances of all accounts minus the sum of all entries. Reads all accounts."""
    until, stored = _stored()
    newer = Entry.objects.filter(id__gt=until).order_by().annotate(what=Value("entries"))
    balances = Account.objects.annotate(what=Value("balances"))
    # One statement, hence one snapshot: a charge between two would look like an imbalance.
    rows = (
        newer.values_list("what")
        .annotate(Sum("amount"))
        .union(balances.values_list("what").annotate(Sum("balance")), all=True)
    )
    found = {name: number or 0 for name, number in rows}
    return found.get("balances", 0) - found.get("entries", 0) - sum(stored.values())


def _added_up(stored: dict[str, int], newer: QuerySet[Entry]) -> dict[str, int]:
    found = dict(newer.values_list("kind").annotate(Sum("amount")))
    return {kind: stored.get(kind, 0) + found.get(kind, 0) for kind in Entry.Kind.values}


def _stored() -> tuple[int, dict[str, int]]:
    """The last entry that the last completed check added up, and the sums by kind."""
    checks = LedgerCheck.objects.filter(sums__isnull=False).order_by("-id")
    last: Any = checks.values_list("summed_until", "sums").first()
    return last or (0, {})
