"""The daily limit of an API key, and the record of its last use."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import ApiKey
from jobs import lifecycle, refunds
from jobs.models import VideoJob
from tests.api import JOBS, altered, assert_problem, by
from tests.queries import counted, rows_read_by
from tokens_ledger import key_limit
from tokens_ledger.models import Entry, KeySpending

KEYS, ME = "/api/v1/keys", "/api/v1/auth/me"
# Charges of a key, and refunds of every tenth of them.
ENTRIES = """
    INSERT INTO tokens_ledger_entry
        (account_id, kind, amount, balance_after, reference, api_key, note, created_at)
    SELECT user_id, kind, amount, balance, reference, %(key)s, '', %(at)s
    FROM tokens_ledger_account, generate_series(1, %(charges)s) AS n, LATERAL (
        SELECT md5(n || %(at)s::text) AS reference, 'charge' AS kind, -1 AS amount
        UNION ALL
        SELECT md5(n || %(at)s::text), 'refund', 1 WHERE n %% 10 = 0
    ) AS entry
    WHERE user_id = %(user)s
"""


@pytest.fixture(params=[key_limit.MOST_ADDED_UP, 0])
def most_added_up(request, monkeypatch):
    """If it is 0, each order stores what the key has spent."""
    monkeypatch.setattr(key_limit, "MOST_ADDED_UP", request.param)


@pytest.mark.usefixtures("most_added_up")
class TestDailyLimit:
    def test_order_beyond_the_limit_is_429_until_the_next_day(self, program, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        program = program(dailyTokenLimit=120)
        assert [program.create().status_code for _ in range(3)] == [202, 202, 429]
        answer = program.create()
        body = assert_problem(answer, 429, "key_limit_reached")
        sentence = "This API key may spend 120 tokens a day (UTC), and has 20 left."
        assert body["detail"] == sentence
        now = timezone.now()
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        assert abs(int(answer["Retry-After"]) - (midnight - now).total_seconds()) < 60

    def test_refused_order_costs_and_stores_nothing(self, alice, program, tokens):
        program = program(dailyTokenLimit=49)
        before = tokens(alice)
        assert program.create().status_code == 429
        assert tokens(alice) == before
        assert not VideoJob.objects.exists()

    def test_other_credentials_are_not_limited(self, client, program, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        program(dailyTokenLimit=1)
        assert client.create().status_code == 202
        assert program(dailyTokenLimit=50).create().status_code == 202

    def test_balance_is_checked_before_and_active_jobs_after(self, alice, program, tokens):
        unlimited, limited = program(), program(dailyTokenLimit=1)
        for _ in range(3):
            unlimited.create()
        assert_problem(limited.create(), 429, "key_limit_reached")
        tokens(alice, 0)
        assert limited.create().status_code == 402

    def test_refund_gives_the_tokens_back(self, member, program):
        program = program(dailyTokenLimit=50)
        job = program.create().json()
        assert program.create().status_code == 429
        program.post(f"{JOBS}/{job['id']}/cancel")
        job = VideoJob.objects.get(pk=program.create().json()["id"])
        assert program.create().status_code == 429
        refunds.refund(job=job, actor=member("Operator"), reason="x", now=timezone.now())
        assert program.create().status_code == 202

    def test_deleted_job_still_counts_unless_it_was_refunded(self, program, new_job):
        program = program(dailyTokenLimit=50)
        job = VideoJob.objects.get(pk=program.create().json()["id"])
        VideoJob.objects.filter(pk=job.pk).update(submitted_at=timezone.now())
        lifecycle.delete(job=job, now=timezone.now())
        assert program.create().status_code == 429

    def test_replayed_order_is_not_limited(self, program):
        program = program(dailyTokenLimit=50)
        headers = {"Idempotency-Key": "a"}
        answers = [program.create(headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202]

    def test_orders_of_yesterday_do_not_count(self, program, settings, unguarded):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        program = program(dailyTokenLimit=50)
        assert program.create().status_code == 202
        with unguarded():
            charges = Entry.objects.filter(kind=Entry.Kind.CHARGE)
            charges.update(created_at=timezone.now() - timedelta(days=1))
        KeySpending.objects.update(day=timezone.now() - timedelta(days=1))
        assert program.create().status_code == 202
        assert program.create().status_code == 429


@pytest.mark.only_on("postgresql")
class TestFullDay:
    def test_order_reads_few_of_the_entries(self, alice, bob, program, settings, unguarded):
        settings.VIDEO_MAX_ACTIVE_JOBS = 100
        program = program(dailyTokenLimit=2_700 + 50 * 11)
        key, now = ApiKey.objects.get().pk, timezone.now()
        yesterday = now - timedelta(days=1)
        with unguarded():
            write(user=bob.pk, key=bob.pk, at=now - timedelta(seconds=1), charges=3_000)
            write(user=alice.pk, key=key, at=yesterday, charges=3_000)
            connection.connection.execute("ANALYZE")
            write(user=alice.pk, key=key, at=now, charges=3_000)

        def create():
            assert program.create().status_code == 202

        assert rows_read_by(create) < 60
        assert program.create().status_code == 429


def write(**values):
    connection.connection.execute(ENTRIES, values)


class TestLastUse:
    def test_last_use_is_written_at_most_once_a_minute(self, client, make, alice):
        made = make()
        program = by(made["key"])
        with counted() as first:
            program.get(ME)
        with counted() as second:
            program.get(ME)
        assert len(first) == len(second) + 1
        used = client.get(KEYS).json()["keys"][0]["lastUsedAt"]
        assert abs((datetime.fromisoformat(used) - timezone.now()).total_seconds()) < 60
        long_ago = timezone.now() - timedelta(seconds=61)
        ApiKey.objects.update(last_used_at=long_ago)
        program.get(ME)
        assert not ApiKey.objects.filter(last_used_at=long_ago).exists()

    def test_refused_request_is_not_a_use(self, client, make):
        by(altered(make()["key"])).get(ME)
        assert client.get(KEYS).json()["keys"][0]["lastUsedAt"] is None
