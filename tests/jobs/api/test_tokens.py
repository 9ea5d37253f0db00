"""The balance, the usage by day, and the filters of the entries (contract 4)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from jobs.models import Status
from tests.api import JOBS, assert_fault
from tokens_ledger import ledger

TOKENS, USAGE, ENTRIES = "/api/v1/tokens", "/api/v1/tokens/usage", "/api/v1/tokens/entries"


class TestActiveJobs:
    def test_balance_shows_active_jobs_and_their_limit(self, client, stranger, new_job, settings):
        settings.VIDEO_MAX_WAITING_JOBS = 2
        for state in ("CANCELLED", "generating", "PENDING"):
            new_job(state)
        assert client.get(TOKENS).json()["activeJobs"] == 2
        assert client.get(TOKENS).json()["activeJobsLimit"] == 5
        assert stranger.get(TOKENS).json()["activeJobs"] == 0


class TestUsage:
    def test_days_are_newest_first_with_jobs_charges_and_refunds(self, client, bob, new_job):
        new_job(Status.FAILED)
        new_job(Status.SUCCEEDED)
        new_job(Status.SUCCEEDED, user=bob)
        today, yesterday = client.get(USAGE, {"days": 2}).json()["days"]
        date = datetime.now(UTC).date()
        assert today == {"date": str(date), "jobs": 2, "charges": 100, "refunds": 50}
        before = str(date - timedelta(days=1))
        assert yesterday == {"date": before, "jobs": 0, "charges": 0, "refunds": 0}

    def test_thirty_days_are_the_default(self, client):
        assert len(client.get(USAGE).json()["days"]) == 30

    def test_grants_are_not_counted_as_usage(self, client, alice):
        ledger.grant(user=alice, amount=7, note="")
        assert client.get(USAGE).json()["days"][0]["charges"] == 0

    def test_invalid_number_of_days_is_refused(self, client):
        for days in ("0", "91", "-1", "all", ""):
            body = assert_fault(client.get(USAGE, {"days": days}), field="days")
            assert body["detail"] == "Days must be a whole number from 1 to 90"


class TestEntries:
    @pytest.fixture
    def entries(self, client, new_job):
        new_job(Status.FAILED)
        new_job(Status.SUCCEEDED)
        return lambda **query: client.get(ENTRIES, query).json()

    def test_cursor_pages_return_every_entry_once(self, entries):
        kinds: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = entries(limit=1, **cursor)
            kinds += [entry["kind"] for entry in page["entries"]]
            assert page["total"] == 4
            if not page["hasMore"]:
                break
            cursor = {"after": page["nextCursor"]}
        assert kinds == ["charge", "refund", "charge", "grant"]

    def test_entries_are_filtered_by_kind_and_date(self, entries):
        for kind, count in (("refund", 1), ("CHARGE", 2), ("charge,grant", 3), ("adjustment", 0)):
            page = entries(kind=kind)
            assert {entry["kind"] for entry in page["entries"]} <= set(kind.lower().split(","))
            assert page["total"] == len(page["entries"]) == count
        today = timezone.now().date()
        assert entries(created_from=str(today))["total"] == 4
        assert entries(created_before=str(today))["total"] == 0

    @pytest.mark.parametrize(("name", "value"), [("kind", "gift"), ("after", "WyJ4IixudWxsXQ")])
    def test_invalid_filter_is_refused(self, client, name, value):
        assert_fault(client.get(ENTRIES, {name: value}), field=name)

    def test_cursor_of_the_jobs_is_refused(self, client, entries):
        cursor = client.get(JOBS, {"limit": 1}).json()["nextCursor"]
        assert_fault(client.get(ENTRIES, {"after": cursor}), field="after")
