"""The number of a user's entries, which is stored by each check and continued from there."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api import TOKENS
from tokens_ledger import entry_counts, ledger, reconciliation
from tokens_ledger.models import Entry, EntryCount
from tokens_ledger.sums import SETTLED


@pytest.fixture
def check():
    """Runs the ledger check, as if all entries were old enough."""
    return lambda: reconciliation.run(now=timezone.now() + SETTLED + timedelta(seconds=1))


def grant(user, times):
    for _ in range(times):
        ledger.grant(user=user, amount=TOKENS, note="")


def test_entries_before_and_after_checks_are_counted_once(alice, bob, check):
    grant(alice, 3)
    assert entry_counts.total(account=alice.pk) == 3
    check()
    grant(alice, 2)
    grant(bob, 1)
    assert entry_counts.total(account=alice.pk) == 5
    for _ in range(2):
        check()
    assert EntryCount.objects.get(account=alice.pk).entries == 5
    grant(alice, 1)
    assert entry_counts.total(account=alice.pk) == 6
    assert entry_counts.total(account=bob.pk) == 1


def test_count_that_a_simultaneous_check_stored_is_not_added_again(alice, check):
    grant(alice, 2)
    check()
    last = Entry.objects.latest("id").pk
    entry_counts._store({alice.pk: 2}, last - 2, last)
    assert entry_counts.total(account=alice.pk) == 2


def test_new_entries_are_not_stored_before_they_are_settled(alice):
    grant(alice, 1)
    reconciliation.run(now=timezone.now())
    assert not EntryCount.objects.exists()
