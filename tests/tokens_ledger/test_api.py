"""The tokens' endpoints, as a client sees them."""

import re

import pytest

from tokens_ledger import ledger


@pytest.fixture
def rich_alice(alice, bob, charged):
    """Alice with +120, -50 and +50; bob was the one who acted."""
    ledger.grant(user=alice, amount=120, note="A gift", actor=bob)
    charged(alice, "job-1")
    ledger.refund(reference="job-1", note="It failed", actor=bob)
    return alice


class TestTokens:
    def test_balance_and_costs_are_shown(self, rich_alice, client_of):
        answer = client_of(rich_alice).get("/api/v1/tokens")
        assert answer.status_code == 200
        assert answer.json() == {
            "availableTokens": 120,
            "costs": {"video_generation": 50},
            "activeJobs": 0,
            "activeJobsLimit": 3,
        }

    def test_balance_without_an_account_is_zero(self, alice, client_of):
        assert client_of(alice).get("/api/v1/tokens").json()["availableTokens"] == 0


class TestEntries:
    def test_entries_are_newest_first_without_actor(self, rich_alice, client_of):
        answer = client_of(rich_alice).get("/api/v1/tokens/entries")
        assert answer.status_code == 200
        refund, charge, grant = answer.json()["entries"]
        assert answer.json()["total"] == 3
        assert refund["id"] > charge["id"] > grant["id"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", refund["createdAt"])
        assert refund == {
            "id": refund["id"],
            "kind": "refund",
            "amount": 50,
            "balanceAfter": 120,
            "reference": "job-1",
            "note": "It failed",
            "createdAt": refund["createdAt"],
        }
        assert (charge["kind"], charge["amount"], charge["balanceAfter"]) == ("charge", -50, 70)
        assert (grant["kind"], grant["reference"], grant["note"]) == ("grant", "", "A gift")

    def test_user_without_an_account_has_no_entries(self, alice, client_of):
        answer = client_of(alice).get("/api/v1/tokens/entries")
        empty = {"entries": [], "total": 0, "nextCursor": None, "hasMore": False}
        assert answer.json() == empty

    def test_stranger_sees_only_own_entries(self, rich_alice, bob, client_of):
        ledger.grant(user=bob, amount=7, note="")
        assert client_of(bob).get("/api/v1/tokens").json()["availableTokens"] == 7
        body = client_of(bob).get("/api/v1/tokens/entries").json()
        assert [entry["amount"] for entry in body["entries"]] == [7]
        assert body["total"] == 1

    @pytest.mark.parametrize(
        ("query", "amounts"),
        [
            ("limit=1", [50]),
            ("limit=1&offset=1", [-50]),
            ("offset=2", [120]),
            ("offset=3", []),
            ("offset=10000", []),
        ],
    )
    def test_limit_and_offset_select_entries(self, rich_alice, client_of, query, amounts):
        body = client_of(rich_alice).get(f"/api/v1/tokens/entries?{query}").json()
        assert [entry["amount"] for entry in body["entries"]] == amounts
        assert body["total"] == 3

    def test_fifty_entries_come_by_default(self, alice, client_of, django_assert_num_queries):
        for amount in range(1, 52):
            ledger.grant(user=alice, amount=amount, note="")
        with django_assert_num_queries(4):
            body = client_of(alice).get("/api/v1/tokens/entries").json()
        assert [entry["amount"] for entry in body["entries"]] == list(range(51, 1, -1))

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "9" * 2000, "\0"])
    def test_invalid_limit_is_refused(self, alice, client_of, limit):
        answer = client_of(alice).get("/api/v1/tokens/entries", {"limit": limit})
        sentence = "Limit must be a whole number from 1 to 100"
        assert answer.status_code == 400
        body = answer.json()
        assert (body["detail"], body["field"], body["code"]) == (sentence, "limit", "invalid")

    @pytest.mark.parametrize("offset", ["-1", "ten", "", "9" * 2000])
    def test_invalid_offset_is_refused(self, alice, client_of, offset):
        answer = client_of(alice).get("/api/v1/tokens/entries", {"offset": offset})
        sentence = "Offset must be a whole number of at least 0"
        assert answer.status_code == 400
        assert (answer.json()["detail"], answer.json()["field"]) == (sentence, "offset")
