"""Check from the rows that the ledger is in order.

Constraints and triggers enforce these rules. The check finds what a dropped trigger, a restored
backup or a manual change in the database may have broken. Findings name accounts by their user's
id, never by a user name. Each rule is one statement, so simultaneous writes cannot cause false
findings. Each statement is its own transaction, so that the check holds no locks.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Subquery, Sum, Window
from django.db.models.functions import Coalesce, Lead
from django.utils.module_loading import import_string

from tokens_ledger import account_totals, sums
from tokens_ledger.models import Account, Entry, LedgerCheck
from tokens_ledger.time_limit import TimeLimitReached, time_limit

logger = logging.getLogger(__name__)

SHOWN = 20  # findings that are stored with a check
MAX_SECONDS = 180  # below the `timeout` in settings.Q_CLUSTER, which kills a busy worker

# The triggers of migration 0002, and the query for the active ones.
TRIGGERS = {
    "postgresql": ["unchanged", "untruncated", "continued", "followed"],
    "sqlite": ["unchanged", "undeleted", "unreplaced", "continued", "followed"],
}
WORKING_TRIGGERS = {
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D' AND tgrelid IN"
    " ('tokens_ledger_entry'::regclass, 'tokens_ledger_account'::regclass)",
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
}


def run(*, now: datetime) -> tuple[LedgerCheck, list[str]]:
    """Run all rules, and store the result for staff.

    After MAX_SECONDS the check stops and is stored as not completed, with the findings until then.
    """
    started = monotonic()
    found: list[str] = []
    totals: dict[str, Any] = {}
    completed = False
    try:
        with time_limit(seconds=MAX_SECONDS):
            found.extend(findings())  # keeps the findings that came before a time-out
            totals = _totals(now)
        completed = True
    except TimeLimitReached:
        logger.error("the ledger check was not completed", extra={"limit_seconds": MAX_SECONDS})
    check = LedgerCheck.objects.create(
        ran_at=now,
        seconds=round(monotonic() - started, 3),
        completed=completed,
        findings=len(found),
        first_findings="\n".join(found[:SHOWN]),
        **totals,
    )
    if completed and not found:
        account_totals.store(until=totals["summed_until"])
    if found:
        logger.error("the ledger is not in order", extra={"findings": len(found)})
    return check, found


def _totals(now: datetime) -> dict[str, Any]:
    until = sums.settled(now=now)
    totals: dict[str, Any] = Entry.objects.aggregate(
        entries=Count("pk"), tokens=Sum("amount", default=0), **sums.aggregates(until=until)
    )
    by_kind = {kind: totals.pop(f"sum_{kind}") for kind in Entry.Kind.values}
    accounts = Account.objects.count()
    return totals | {"accounts": accounts, "summed_until": until, "sums": by_kind}


def findings() -> Iterator[str]:
    """One sentence for each fault; none if the ledger is in order.

    `settings.LEDGER_AUDITS` names further functions like this one (dotted paths), for rules that
    also need other tables. With the rules for jobs, this takes 13 seconds for a million jobs
    (`make scale`).
    """
    yield from _triggers()
    yield from _balances()
    yield from _entries()
    yield from _doubles()
    yield from _refunds()
    for path in getattr(settings, "LEDGER_AUDITS", ()):
        yield from import_string(path)()


def _triggers() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(WORKING_TRIGGERS[connection.vendor])
        working = {name for (name,) in cursor.fetchall()}
    for name in TRIGGERS[connection.vendor]:
        if f"tokens_ledger_{name}" not in working:
            yield f"The trigger tokens_ledger_{name}, which protects the ledger, is missing or off."


def _balances() -> Iterator[str]:
    accounts = Account.objects.annotate(total=Coalesce(Sum("entries__amount"), 0))
    wrong = accounts.exclude(balance=F("total")).values_list("pk", "balance", "total")
    for pk, balance, total in wrong:
        yield f"Account {pk}: the balance is {balance}, but the sum of its entries is {total}."


def _entries() -> Iterator[str]:
    # Newest first, in the order of the index: Lead() then returns the entry before.
    before = Window(
        Lead("balance_after", default=0), partition_by="account", order_by=F("id").desc()
    )
    wrong = (
        Entry.objects.annotate(before=before)
        .exclude(balance_after=F("before") + F("amount"))
        .order_by("pk")
        .values_list("account", "pk", "amount", "before", "balance_after")
    )
    for account, pk, amount, start, end in wrong:
        yield f"Account {account}: entry {pk} has {end} instead of {start} {amount:+d}."


def _doubles() -> Iterator[str]:
    for kind in (Entry.Kind.CHARGE, Entry.Kind.REFUND):
        payments = Entry.objects.filter(kind=kind).values("reference").annotate(times=Count("*"))
        wrong = payments.filter(times__gt=1).values_list("reference", "times")
        for reference, times in wrong:
            yield f"Reference {reference}: {times} {kind}s instead of one."


def _refunds() -> Iterator[str]:
    charges = Entry.objects.filter(kind=Entry.Kind.CHARGE, reference=OuterRef("reference"))
    sound = charges.filter(account=OuterRef("account"), amount=-OuterRef("amount"))
    wrong = (
        Entry.objects.filter(~Exists(sound), kind=Entry.Kind.REFUND)
        .annotate(charged=Subquery(charges.values("amount")[:1]))
        .values_list("reference", "amount", "charged")
    )
    for reference, refunded, charged in wrong:
        yield f"Reference {reference}: {_what_is_wrong(refunded, charged)}."


def _what_is_wrong(refunded: int, charged: int | None) -> str:
    if charged is None:
        return f"{refunded} tokens were refunded, but none were charged"
    if refunded != -charged:
        return f"{-charged} tokens were charged, but {refunded} were refunded"
    return "one account was charged, but another was refunded"
