"""The rules of the ledger, seen through its functions."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tokens_ledger import ledger
from tokens_ledger.models import Account, Entry

pytestmark = pytest.mark.both  # constraints and locks


class TestBalance:
    def test_balance_without_an_account_is_zero(self, alice):
        assert ledger.balance(user=alice) == 0
        assert not Account.objects.exists()

    def test_balance_is_the_sum_of_the_entries(self, alice, charged):
        ledger.grant(user=alice, amount=120, note="")
        charged(alice, "job-1")
        ledger.refund(reference="job-1", note="")
        charged(alice, "job-2")
        ledger.adjust(user=alice, amount=-3, note="")
        amounts = Entry.objects.order_by("id").values_list("amount", flat=True)
        assert list(amounts) == [120, -50, 50, -50, -3]
        assert ledger.balance(user=alice) == sum(amounts) == 67


class TestLock:
    def test_lock_opens_a_missing_account(self, alice):
        account = ledger.lock(user=alice)
        assert (account.user, account.balance) == (alice, 0)

    @pytest.mark.only_on("postgresql")  # SQLite locks the whole database at BEGIN IMMEDIATE
    def test_lock_selects_for_update(self, alice, django_assert_num_queries):
        ledger.lock(user=alice)
        with django_assert_num_queries(1) as queries:
            ledger.lock(user=alice)
        assert "FOR UPDATE" in queries[0]["sql"]


class TestCharge:
    def test_charge_takes_the_tokens(self, alice, charged):
        ledger.grant(user=alice, amount=50, note="")
        entry = charged(alice, "job-1")
        assert (entry.kind, entry.amount, entry.balance_after) == ("charge", -50, 0)
        assert (entry.reference, entry.actor) == ("job-1", None)
        assert ledger.balance(user=alice) == 0

    def test_charge_updates_the_locked_account(self, alice):
        ledger.grant(user=alice, amount=120, note="")
        account = ledger.lock(user=alice)
        ledger.charge(account=account, operation="video_generation", tokens=50, reference="job-1")
        ledger.charge(account=account, operation="video_generation", tokens=50, reference="job-2")
        assert account.balance == ledger.balance(user=alice) == 20

    def test_missing_tokens_are_refused(self, alice, charged):
        ledger.grant(user=alice, amount=49, note="")
        with pytest.raises(ledger.InsufficientTokens) as refusal:
            charged(alice, "job-1")
        assert refusal.value.operation == "video_generation"
        assert (refusal.value.cost, refusal.value.available) == (50, 49)
        assert ledger.balance(user=alice) == 49
        assert Entry.objects.count() == 1

    def test_second_charge_for_a_reference_is_refused(self, alice, charged):
        ledger.grant(user=alice, amount=120, note="")
        charged(alice, "job-1")
        with pytest.raises(IntegrityError), transaction.atomic():
            charged(alice, "job-1")
        assert ledger.balance(user=alice) == 70

    def test_stale_account_is_refused(self, alice):
        stale = ledger.lock(user=alice)
        ledger.grant(user=alice, amount=120, note="")
        stale.balance = 60
        with pytest.raises(IntegrityError), transaction.atomic():
            ledger.charge(account=stale, operation="video_generation", tokens=50, reference="job-1")
        assert ledger.balance(user=alice) == 120


class TestRefund:
    def test_refund_returns_the_charged_amount(self, alice, bob, charged):
        ledger.grant(user=alice, amount=50, note="")
        charged(alice, "job-1")
        entry = ledger.refund(reference="job-1", note="It failed", actor=bob)
        assert (entry.kind, entry.amount, entry.balance_after) == ("refund", 50, 50)
        assert (entry.account_id, entry.actor, entry.note) == (alice.pk, bob, "It failed")
        assert ledger.balance(user=alice) == 50

    def test_second_refund_is_refused(self, alice, charged):
        ledger.grant(user=alice, amount=50, note="")
        charged(alice, "job-1")
        ledger.refund(reference="job-1", note="")
        with pytest.raises(ledger.AlreadyRefunded):
            ledger.refund(reference="job-1", note="")
        assert ledger.balance(user=alice) == 50

    def test_refund_without_a_charge_is_refused(self, alice):
        ledger.grant(user=alice, amount=50, note="")
        with pytest.raises(ledger.NothingToRefund):
            ledger.refund(reference="job-1", note="")

    @pytest.mark.only_on("postgresql")  # SQLite locks the whole database at BEGIN IMMEDIATE
    def test_account_is_locked_before_earlier_refunds_are_read(self, alice, charged):
        ledger.grant(user=alice, amount=50, note="")
        charged(alice, "job-1")
        with CaptureQueriesContext(connection) as queries:
            ledger.refund(reference="job-1", note="")
        steps = [query["sql"] for query in queries]
        locked = next(i for i, step in enumerate(steps) if "FOR UPDATE" in step)
        looked = next(i for i, step in enumerate(steps) if "'refund'" in step)
        assert locked < looked


class TestGrant:
    def test_grant_adds_tokens_with_note_and_actor(self, alice, bob):
        entry = ledger.grant(user=alice, amount=1_000_000_000, note="Won", actor=bob)
        assert (entry.kind, entry.amount, entry.note) == ("grant", 1_000_000_000, "Won")
        assert entry.actor == bob
        assert ledger.balance(user=alice) == 1_000_000_000

    @pytest.mark.parametrize("amount", [0, -1, 1_000_000_001, 1.0, "5", True, None])
    def test_invalid_amount_is_refused(self, alice, amount):
        with pytest.raises(ValueError, match="whole number from 1 to 1,000,000,000"):
            ledger.grant(user=alice, amount=amount, note="")
        assert not Entry.objects.exists()

    def test_balance_beyond_64_bits_is_refused(self, alice, unguarded):
        ledger.lock(user=alice)
        with unguarded():
            Account.objects.update(balance=2**63 - 5)
        with pytest.raises(ValueError, match="larger than can be stored"):
            ledger.grant(user=alice, amount=5, note="")

    def test_long_note_is_refused(self, alice):
        ledger.grant(user=alice, amount=1, note="é" * 500)
        with pytest.raises(ValueError, match="500 characters"):
            ledger.grant(user=alice, amount=1, note="é" * 501)


class TestAdjust:
    def test_adjustment_adds_and_removes_tokens(self, alice, bob):
        ledger.adjust(user=alice, amount=30, note="Lost in March", actor=bob)
        entry = ledger.adjust(user=alice, amount=-30, note="Found in April", actor=bob)
        assert (entry.kind, entry.amount, entry.balance_after) == ("adjustment", -30, 0)
        assert (entry.note, entry.actor) == ("Found in April", bob)

    def test_adjustment_below_zero_is_refused(self, alice):
        ledger.grant(user=alice, amount=20, note="")
        with pytest.raises(ledger.InsufficientTokens) as refusal:
            ledger.adjust(user=alice, amount=-21, note="")
        assert (refusal.value.cost, refusal.value.available) == (21, 20)
        assert ledger.balance(user=alice) == 20

    @pytest.mark.parametrize("amount", [0, 1_000_000_001, -1_000_000_001, 0.5, False])
    def test_invalid_amount_is_refused(self, alice, amount):
        with pytest.raises(ValueError, match="whole number"):
            ledger.adjust(user=alice, amount=amount, note="")


class TestWelcome:
    def test_welcome_grants_the_signup_tokens(self, alice, settings):
        settings.SIGNUP_GRANT_TOKENS = 100
        ledger.welcome(user=alice)
        entry = Entry.objects.get(account=alice.pk)
        assert (entry.kind, entry.amount, entry.note) == ("grant", 100, "Welcome")

    def test_welcome_grants_nothing_by_default(self, alice):
        ledger.welcome(user=alice)
        assert not Account.objects.exists()


class TestUser:
    def test_user_with_an_account_cannot_be_deleted(self, alice):
        ledger.grant(user=alice, amount=50, note="")
        with pytest.raises(IntegrityError):
            alice.delete()
        assert User.objects.filter(pk=alice.pk).exists()
