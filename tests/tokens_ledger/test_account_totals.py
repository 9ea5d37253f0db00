"""The number of a user's entries, which is stored by each check and continued from there."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api import TOKENS
from tokens_ledger import account_totals, ledger, reconciliation
from tokens_ledger.models import EntryCount
from tokens_ledger.sums import SETTLED

pytestmark = pytest.mark.both  # SQL of our own


@pytest.fixture
def check():
    """Runs the ledger check, as if all entries were old enough."""
    return lambda: reconciliation.run(now=timezone.now() + SETTLED + timedelta(seconds=1))


def grant(user, times):
    for _ in range(times):
        ledger.grant(user=user, amount=TOKENS, note="")


def test_entries_before_and_after_checks_are_counted_once(alice, bob, check):
    grant(alice, 3)
    assert account_totals.entries(account=alice.pk) == 3
    check()
    grant(alice, 2)
    grant(bob, 1)
    assert account_totals.entries(account=alice.pk) == 5
    for _ in range(2):
        check()
    assert EntryCount.objects.get(account=alice.pk).entries == 5
    grant(alice, 1)
    assert account_totals.entries(account=alice.pk) == 6
    assert account_totals.entries(account=bob.pk) == 1


def test_new_entries_are_not_stored_before_they_are_settled(alice):
    grant(alice, 1)
    reconciliation.run(now=timezone.now())
    assert not EntryCount.objects.exists()
