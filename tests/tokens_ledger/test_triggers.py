"""What the database refuses by its triggers and constraints."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from tokens_ledger import ledger, reconciliation
from tokens_ledger.models import Account, Entry

pytestmark = pytest.mark.both  # SQL of our own

append_only = import_module("tokens_ledger.migrations.0002_append_only")


@pytest.fixture
def account(alice):
    ledger.grant(user=alice, amount=120, note="")
    return ledger.lock(user=alice)


def append(account, **fields):
    """An entry that continues the account, unless `fields` say otherwise."""
    fields = {"kind": "grant", "amount": 5, "balance_after": 125} | fields
    with transaction.atomic():
        return Entry.objects.create(account=account, **fields)


class TestEntries:
    def test_update_of_an_entry_is_refused(self, account, sql):
        with pytest.raises(IntegrityError, match="only ever appended"), transaction.atomic():
            sql("UPDATE tokens_ledger_entry SET note = 'Never mind'")
        assert Entry.objects.get().note == ""

    def test_delete_of_an_entry_is_refused(self, account, sql):
        with pytest.raises(IntegrityError, match="only ever appended"), transaction.atomic():
            sql("DELETE FROM tokens_ledger_entry")
        assert Entry.objects.count() == 1

    @pytest.mark.only_on("postgresql")  # SQLite has no TRUNCATE
    @pytest.mark.parametrize("table", ["tokens_ledger_entry", "tokens_ledger_account CASCADE"])
    def test_truncate_is_refused(self, account, sql, table):
        sql("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError, match="only ever appended"), transaction.atomic():
            sql(f"TRUNCATE {table}")
        assert Entry.objects.count() == 1

    @pytest.mark.only_on("sqlite")  # PostgreSQL has no INSERT OR REPLACE
    @pytest.mark.parametrize("same", ["id", "reference"])
    def test_replace_of_an_entry_is_refused(self, account, sql, same):
        ledger.charge(account=account, operation="video_generation", tokens=50, reference="job-1")
        new_id = "id" if same == "id" else "id + 1"
        with pytest.raises(IntegrityError, match="only ever appended"), transaction.atomic():
            sql(
                "INSERT OR REPLACE INTO tokens_ledger_entry (id, account_id, kind, amount,"
                " balance_after, reference, note, created_at)"
                f" SELECT {new_id}, account_id, kind, -20, 100, reference, 'Cheaper', created_at"
                " FROM tokens_ledger_entry WHERE reference = 'job-1'"
            )
        assert Entry.objects.get(reference="job-1").amount == -50

    @pytest.mark.parametrize("balance_after", [120, 126])
    def test_entry_with_another_balance_is_refused(self, account, balance_after):
        with pytest.raises(IntegrityError, match="must continue"):
            append(account, balance_after=balance_after)

    def test_entry_before_the_last_is_refused(self, account):
        with pytest.raises(IntegrityError, match="must continue"):
            append(account, id=-1, balance_after=5)

    def test_first_entry_must_start_at_zero(self, bob):
        account = ledger.lock(user=bob)
        with pytest.raises(IntegrityError, match="must continue"):
            append(account, amount=5, balance_after=6)
        append(account, amount=5, balance_after=5)


class TestBalances:
    def test_balance_other_than_the_last_entrys_is_refused(self, account, sql):
        with pytest.raises(IntegrityError, match="last ledger entry"), transaction.atomic():
            sql("UPDATE tokens_ledger_account SET balance = balance + 1")
        append(account)
        assert sql("UPDATE tokens_ledger_account SET balance = 125") == 1

    def test_balance_below_zero_is_refused(self, account, unguarded):
        with (
            unguarded(),
            pytest.raises(IntegrityError, match="account_never_below_zero"),
            transaction.atomic(),
        ):
            Account.objects.update(balance=-1)


class TestConstraints:
    @pytest.mark.parametrize(
        ("kind", "amount"),
        [
            ("grant", 0),
            ("charge", 5),
            ("refund", -5),
            ("adjustment", 0),
            ("gift", 5),
        ],
    )
    def test_amount_with_the_wrong_sign_is_refused(self, account, kind, amount):
        with pytest.raises(IntegrityError, match="entry_sign_fits_kind"):
            append(account, kind=kind, amount=amount, balance_after=120 + amount, reference="job-1")

    @pytest.mark.parametrize(("kind", "amount"), [("charge", -5), ("refund", 5)])
    def test_payment_without_a_reference_is_refused(self, account, kind, amount):
        with pytest.raises(IntegrityError, match="entry_payment_has_reference"):
            append(account, kind=kind, amount=amount, balance_after=120 + amount)

    @pytest.mark.parametrize(("kind", "amount"), [("charge", -5), ("refund", 5)])
    def test_second_payment_for_a_reference_is_refused(self, account, kind, amount, unguarded):
        append(account, kind=kind, amount=amount, balance_after=120 + amount, reference="job-1")
        with unguarded(), pytest.raises(IntegrityError, match=r"reference|entry_one_"):
            append(account, kind=kind, amount=amount, reference="job-1")

    def test_entry_below_zero_is_refused(self, account, unguarded):
        with unguarded(), pytest.raises(IntegrityError, match="entry_balance_never_below_zero"):
            append(account, kind="adjustment", amount=-130, balance_after=-10)


@pytest.mark.only_on("postgresql")  # SQLite knows one way, by the index
class TestTriggers:
    """They look at a few entries, however many there are."""

    def looked_at(self):
        """Rows of entries so far, in this transaction."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
                " WHERE relname = 'tokens_ledger_entry'"
            )
            return cursor.fetchone()[0]

    @pytest.mark.parametrize("who", ["has most entries", "has few, and old ones"])
    def test_last_entry_is_found_by_its_index(self, alice, bob, charged, sql, unguarded, who):
        ledger.grant(user=bob, amount=5_000, note="")
        ledger.grant(user=alice, amount=5_000, note="")
        with unguarded():
            sql(
                "INSERT INTO tokens_ledger_entry"
                " (account_id, kind, amount, balance_after, reference, note, created_at)"
                " SELECT %s, 'grant', 1, 5000 + n, '', '', now()"
                " FROM generate_series(1, 5000) AS n ORDER BY n",
                alice.pk,
            )
            sql("UPDATE tokens_ledger_account SET balance = 10000 WHERE user_id = %s", alice.pk)
        sql("ANALYZE tokens_ledger_entry")
        user = alice if who == "has most entries" else bob
        for n in range(10):  # then PostgreSQL has planned it for an average account
            charged(user, f"job-{n}")
        before = self.looked_at()
        charged(user, "job-10")
        assert self.looked_at() - before < 10


class TestMigration:
    def test_migration_removes_and_restores_the_triggers(self, account, sql):
        if connection.vendor == "postgresql":
            sql("SET CONSTRAINTS ALL IMMEDIATE")
        editor = connection.schema_editor()  # not entered: SQLite's wants to own the transaction
        append_only.remove(apps, editor)
        assert sql("UPDATE tokens_ledger_entry SET note = 'Never mind'") == 1
        assert len(list(reconciliation.findings())) == len(append_only.TRIGGERS[connection.vendor])
        append_only.install(apps, editor)
        with pytest.raises(IntegrityError, match="only ever appended"), transaction.atomic():
            sql("UPDATE tokens_ledger_entry SET note = 'Well, mind'")
        assert not list(reconciliation.findings())

    @pytest.mark.parametrize("vendor", ["postgresql", "sqlite"])
    def test_migration_and_audit_know_the_same_triggers(self, vendor):
        made = [name for name, *_ in append_only.TRIGGERS[vendor]]
        assert made == reconciliation.TRIGGERS[vendor]
