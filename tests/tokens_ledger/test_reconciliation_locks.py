"""The ledger check outside a test's transaction, beside a migration on another connection."""

import json

import pytest
from django.db import connection

from tests.tokens_ledger.test_reconciliation import a_rule_that_takes_too_long
from tokens_ledger.models import Account

TABLES = ("tokens_ledger_account", "tokens_ledger_entry", "jobs_videojob")
CHECK = """
import json
from django.conf import settings
from django.db import connection
from django.utils import timezone
from tokens_ledger import reconciliation

settings.LEDGER_AUDITS += ["tests.tokens_ledger.%s"]
reconciliation.MAX_SECONDS = %s
check, found = reconciliation.run(now=timezone.now())
with connection.cursor() as cursor:
    left = cursor.execute("SHOW statement_timeout").fetchone()[0]
print(json.dumps([check.completed, found, left]))
"""


def a_rule_that_alters_the_tables():
    """What a migration does while this rule runs, after the ledger's and the jobs' rules."""
    assert not Account.objects.exists()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SET lock_timeout = '500ms'")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN added integer")
            yield f"{table} was altered."
    other.close()


@pytest.mark.live
@pytest.mark.only_on("postgresql")
class TestCheck:
    @pytest.fixture
    def run(self, stack):
        """Runs a check with this rule: whether it was completed, findings, time-out afterwards."""
        service = stack(webs=0, clusters=0)

        def run(rule, *, seconds):
            code = CHECK % (f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}", seconds)
            return json.loads(service.manage("shell", "--no-imports", "-c", code).stdout)

        return run

    def test_check_holds_no_locks_between_its_statements(self, run):
        completed, found, _ = run(a_rule_that_alters_the_tables, seconds=180)
        assert found == [f"{table} was altered." for table in TABLES]
        assert completed

    def test_time_limit_holds_outside_a_transaction(self, run):
        completed, found, timeout_afterwards = run(a_rule_that_takes_too_long, seconds=1)
        assert found == ["Job 7 failed, but nothing was refunded."]
        assert not completed
        assert timeout_afterwards == "0"
