"""How many entries an account has, without reading all of them.

Each completed check of the ledger stores, for every account, the number of entries up to one that
is settled (see `sums`). Later ones are counted when they are asked for.
"""

from typing import Any

from django.db import transaction
from django.db.models import Count, Max

from tokens_ledger.models import Entry, EntryCount

BATCH = 1_000  # rows of one statement


def total(*, account: Any) -> int:
    """The number of entries of the account with this primary key."""
    stored = EntryCount.objects.filter(account=account).values_list("entries", "until").first()
    entries, until = stored or (0, 0)
    return entries + Entry.objects.filter(account=account, id__gt=until).count()


def store(*, until: int) -> None:
    """Store the counts up to the entry `until`, of the accounts that have new entries."""
    with transaction.atomic():
        last = EntryCount.objects.aggregate(last=Max("until"))["last"] or 0
        new = Entry.objects.filter(id__gt=last, id__lte=until).order_by()
        counts = list(new.values_list("account").annotate(Count("pk")))
        for start in range(0, len(counts), BATCH):
            _store(dict(counts[start : start + BATCH]), last, until)


def _store(numbers: dict[Any, int], last: int, until: int) -> None:
    """Add the numbers of entries between `last` and `until`, by account."""
    known = EntryCount.objects.in_bulk(numbers)
    rows = []
    for account, number in numbers.items():
        before = known.get(account)
        if before and before.until > last:
            continue  # another check stored it meanwhile
        entries = number + (before.entries if before else 0)
        rows.append(EntryCount(account_id=account, entries=entries, until=until))
    EntryCount.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["account"],
        update_fields=["entries", "until"],
    )
