"""Findings in a ledger that was damaged with its triggers off, and the command that prints them."""

import logging
from time import monotonic

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from tokens_ledger import ledger, reconciliation
from tokens_ledger.models import Account, Entry, LedgerCheck

pytestmark = pytest.mark.both  # SQL of our own


@pytest.fixture(autouse=True)
def nobody_else_looks(settings):
    settings.LEDGER_AUDITS = []


@pytest.fixture
def entries(alice, charged):
    """+120, -50, +50 (a refund), -50; the balance is 70."""
    ledger.grant(user=alice, amount=120, note="")
    charged(alice, "job-1")
    ledger.refund(reference="job-1", note="")
    charged(alice, "job-2")
    return Entry.objects.order_by("id")


def append(user, **fields):
    """An entry and its balance, from the amount; nothing but the constraints has a say."""
    account = Account.objects.get(user=user)
    after = account.balance + fields["amount"]
    Entry.objects.create(account=account, balance_after=after, **fields)
    Account.objects.filter(user=user).update(balance=after)


class TestFindings:
    def test_ledger_in_order_has_no_findings(self, entries, alice, bob):
        ledger.grant(user=bob, amount=7, note="")
        ledger.grant(user=alice, amount=7, note="")
        ledger.grant(user=bob, amount=7, note="")
        assert list(reconciliation.findings()) == []

    def test_balance_that_is_not_the_sum_is_found(self, entries, alice, unguarded):
        with unguarded():
            Account.objects.update(balance=1000)
        assert list(reconciliation.findings()) == [
            f"Account {alice.pk}: the balance is 1000, but the sum of its entries is 70."
        ]

    def test_balance_without_entries_is_found(self, bob):
        Account.objects.create(user=bob, balance=5)
        assert list(reconciliation.findings()) == [
            f"Account {bob.pk}: the balance is 5, but the sum of its entries is 0."
        ]

    def test_entry_that_does_not_continue_the_balance_is_found(self, entries, alice, unguarded):
        second = entries[1]
        with unguarded():
            Entry.objects.filter(pk=second.pk).update(balance_after=71)
        assert list(reconciliation.findings()) == [
            f"Account {alice.pk}: entry {second.pk} has 71 instead of 120 -50.",
            f"Account {alice.pk}: entry {entries[2].pk} has 120 instead of 71 +50.",
        ]

    def test_first_entry_that_does_not_start_at_zero_is_found(self, entries, alice, unguarded):
        first = entries[0]
        with unguarded():
            Entry.objects.filter(pk=first.pk).update(amount=100)
        assert f"Account {alice.pk}: entry {first.pk} has 120 instead of 0 +100." in list(
            reconciliation.findings()
        )

    @pytest.mark.parametrize(
        ("kind", "amount", "index"),
        [("charge", -1, "entry_one_charge"), ("refund", 50, "entry_one_refund")],
    )
    def test_second_payment_for_a_reference_is_found(
        self, entries, alice, sql, unguarded, kind, amount, index
    ):
        if connection.vendor == "postgresql":
            sql("SET CONSTRAINTS ALL IMMEDIATE")
        sql(f"DROP INDEX {index}")
        with unguarded():
            append(alice, kind=kind, amount=amount, reference="job-1")
        assert list(reconciliation.findings()) == [f"Reference job-1: 2 {kind}s instead of one."]

    def test_refund_without_a_charge_is_found(self, entries, alice):
        append(alice, kind="refund", amount=50, reference="job-3")
        assert list(reconciliation.findings()) == [
            "Reference job-3: 50 tokens were refunded, but none were charged."
        ]

    def test_refund_of_another_amount_is_found(self, entries, alice):
        append(alice, kind="refund", amount=49, reference="job-2")
        assert list(reconciliation.findings()) == [
            "Reference job-2: 50 tokens were charged, but 49 were refunded."
        ]

    def test_refund_to_another_account_is_found(self, entries, bob):
        ledger.lock(user=bob)
        append(bob, kind="refund", amount=50, reference="job-2")
        assert list(reconciliation.findings()) == [
            "Reference job-2: one account was charged, but another was refunded."
        ]

    def test_missing_trigger_is_found(self, db, sql):
        table = "" if connection.vendor == "sqlite" else " ON tokens_ledger_entry"
        sql(f"DROP TRIGGER tokens_ledger_unchanged{table}")
        assert list(reconciliation.findings()) == [
            "The trigger tokens_ledger_unchanged, which protects the ledger, is missing or off."
        ]

    def test_findings_of_other_apps_are_included(self, db, settings):
        settings.LEDGER_AUDITS = [f"{__name__}.a_finding_from_outside"]
        assert list(reconciliation.findings()) == ["Job 7 failed, but nothing was refunded."]

    def test_queries_do_not_grow_with_the_entries(
        self, entries, alice, charged, django_assert_num_queries
    ):
        ledger.grant(user=alice, amount=1000, note="")
        for number in range(10):
            charged(alice, f"job-{number + 10}")
        with django_assert_num_queries(6):
            list(reconciliation.findings())


def a_finding_from_outside():
    yield "Job 7 failed, but nothing was refunded."


class TestCheckLedger:
    def test_ledger_in_order_is_summed_up(self, entries, bob, capsys):
        ledger.grant(user=bob, amount=7, note="")
        call_command("check_ledger")
        assert capsys.readouterr().out == "Ledger in order: 2 accounts, 5 entries, sum 77.\n"

    def test_each_finding_is_a_line_and_exit_code_1(self, entries, alice, bob, unguarded, capsys):
        ledger.grant(user=bob, amount=7, note="")
        with unguarded():
            Account.objects.update(balance=F("balance") + 1)
        with pytest.raises(SystemExit) as end:
            call_command("check_ledger")
        assert end.value.code == 1
        lines = capsys.readouterr().out.splitlines()
        assert sorted(lines) == sorted(
            [
                f"Account {alice.pk}: the balance is 71, but the sum of its entries is 70.",
                f"Account {bob.pk}: the balance is 8, but the sum of its entries is 7.",
            ]
        )


def a_rule_that_takes_too_long():
    yield "Job 7 failed, but nothing was refunded."
    with connection.cursor() as cursor:
        for _ in range(600):
            cursor.execute("SELECT pg_sleep(0.1)")
    yield "This was not found in time."


@pytest.mark.only_on("postgresql")
class TestTimeLimit:
    @pytest.fixture(autouse=True)
    def slow(self, entries, settings, monkeypatch):
        settings.LEDGER_AUDITS = [f"{__name__}.a_rule_that_takes_too_long"]
        monkeypatch.setattr(reconciliation, "MAX_SECONDS", 0.5)

    def test_limit_holds_for_all_statements_together(self, caplog):
        start = monotonic()
        check, found = reconciliation.run(now=timezone.now())
        assert monotonic() - start < 5
        assert not check.completed
        assert found == ["Job 7 failed, but nothing was refunded."]
        assert str(LedgerCheck.objects.get()) == "not completed, 1 findings"
        assert (check.accounts, check.entries, check.tokens) == (None, None, None)
        assert check.first_findings == "Job 7 failed, but nothing was refunded."
        errors = [each.message for each in caplog.records if each.levelno == logging.ERROR]
        assert errors == ["the ledger check was not completed", "the ledger is not in order"]
        with connection.cursor() as cursor:
            assert cursor.execute("SHOW statement_timeout").fetchone() == ("0",)

    def test_stopped_check_fails_the_command(self, capsys):
        with pytest.raises(CommandError, match="was not completed: it was stopped after") as end:
            call_command("check_ledger")
        assert end.value.returncode == 2
        assert capsys.readouterr().out == "Job 7 failed, but nothing was refunded.\n"


def test_time_limit_ends_before_the_workers_timeout(settings):
    worker_timeout = settings.Q_CLUSTER["timeout"]
    assert worker_timeout - reconciliation.MAX_SECONDS >= 60
