"""Simultaneous changes of one balance, each on its own connection."""

import json
from collections import Counter

import pytest

RACE = """
import json, threading
from django.db import connection, transaction
from accounts.models import User
from tokens_ledger import ledger

alice = User.objects.create_user("alice")
outcomes = []

def charge(number):
    with transaction.atomic():
        account = ledger.lock(user=alice)
        job = f"job-{number}"
        ledger.charge(account=account, operation="video_generation", tokens=50, reference=job)

def grant(number):
    ledger.grant(user=alice, amount=10, note="")

def refund(number):
    ledger.refund(reference="the-job", note="")

def run(start, act, number):
    try:
        start.wait()
        act(number)
        outcomes.append(act.__name__)
    except Exception as error:
        outcomes.append(type(error).__name__)
    finally:
        connection.close()

def race(act):
    start = threading.Barrier(12)
    runners = [threading.Thread(target=run, args=(start, act, n)) for n in range(12)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()

race(grant)
race(charge)
ledger.grant(user=alice, amount=30, note="")
with transaction.atomic():
    account = ledger.lock(user=alice)
    ledger.charge(account=account, operation="video_generation", tokens=50, reference="the-job")
race(refund)
print(json.dumps([outcomes, ledger.balance(user=alice)]))
"""


SIMULTANEOUS_CHECKS = """
import threading
from django.db import connection, transaction
from django.utils import timezone
from accounts.models import User
from tokens_ledger import account_totals, ledger, reconciliation

alice, bob = (User.objects.create_user(name) for name in ("alice", "bob"))
ids = [ledger.grant(user=user, amount=10, note="").pk for user in (alice, alice, bob)]
reconciliation.run(now=timezone.now())  # stores nothing, because no entry is settled

def earlier():
    account_totals.store(until=ids[0])
    connection.close()

other = threading.Thread(target=earlier)
with transaction.atomic():
    account_totals.store(until=ids[2])
    other.start()
    other.join(1)
other.join()
ids.append(ledger.grant(user=alice, amount=10, note="").pk)
account_totals.store(until=ids[3])
print(account_totals.entries(account=alice.pk), account_totals.by_kind(account=alice.pk)["grant"])
"""


@pytest.mark.live
class TestRaces:
    def test_concurrent_entries_lose_and_create_no_token(self, stack):
        service = stack(webs=0, clusters=0)
        printed = service.manage("shell", "--no-imports", "-c", RACE).stdout
        outcomes, balance = json.loads(printed)
        assert Counter(outcomes) == {
            "grant": 12,  # the first of them opens the account
            "charge": 2,
            "InsufficientTokens": 10,
            "refund": 1,
            "AlreadyRefunded": 11,
        }
        assert balance == 50
        assert "Ledger in order: 1 account, 17 entries, sum 50." in (
            service.manage("check_ledger").stdout
        )

    def test_simultaneous_checks_lose_no_entry_of_the_totals(self, stack):
        service = stack(webs=0, clusters=0)
        said = service.manage("shell", "--no-imports", "-c", SIMULTANEOUS_CHECKS)
        assert said.stdout.split() == ["3", "30"]
