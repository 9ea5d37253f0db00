"""PostgreSQL reads few entries for the daily limits, however many there are."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.queries import rows_read_by
from tokens_ledger import refund_limit

pytestmark = pytest.mark.only_on("postgresql")

MANY = 5_000
ENTRIES = """
    INSERT INTO tokens_ledger_entry
        (account_id, kind, amount, balance_after, reference, note, created_at, actor_id)
    SELECT %(account)s, 'refund', 1, 1, gen_random_uuid()::text, '',
        %(last)s::timestamptz - n * interval '1 minute', %(actor)s::uuid
    FROM generate_series(1, %(entries)s::int) AS n
"""


@pytest.fixture
def write():
    """Writes `entries` refunds by `actor`, before `last`, without the triggers."""

    def write(**values):
        database = connection.connection
        database.execute("SET session_replication_role = replica")
        database.execute(ENTRIES, values)
        database.execute("RESET session_replication_role")
        database.execute("ANALYZE")

    return write


class TestLimitOfStaffRefunds:
    def test_refunds_of_earlier_days_and_of_others_are_not_read(self, alice, bob, write, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 100
        now = timezone.now().replace(hour=12)
        write(account=alice.pk, actor=bob.pk, last=now - timedelta(days=1), entries=MANY)
        write(account=alice.pk, actor=alice.pk, last=now, entries=MANY)
        write(account=alice.pk, actor=bob.pk, last=now + timedelta(minutes=3), entries=3)

        def ask():
            assert refund_limit.left(actor=bob, now=now) == 97

        assert rows_read_by(ask) < 20
