"""The tokens' endpoints, as a client sees them."""

import re

import pytest
from rest_framework.test import APIClient

from tokens_ledger import ledger


@pytest.fixture
def rich_alice(alice, bob, charged):
    """Alice with +120, -50 and +50; bob was the one who acted."""
    ledger.grant(user=alice, amount=120, note="A gift", actor=bob)
    charged(alice, "job-1")
    ledger.refund(reference="job-1", note="It failed", actor=bob)
    return alice


class TestTokens:
    @pytest.mark.parametrize("path", ["/api/v1/tokens", "/api/v1/tokens/"])
    def test_tells_the_balance_and_the_costs(self, rich_alice, client_of, path):
        answer = client_of(rich_alice).get(path)
        assert answer.status_code == 200
        assert answer.json() == {
            "availableTokens": 120,
            "costs": {"video_generation": 50},
            "activeJobs": 0,
            "activeJobsLimit": 3,
        }

    def test_is_zero_without_an_account(self, alice, client_of):
        assert client_of(alice).get("/api/v1/tokens").json()["availableTokens"] == 0

    def test_shows_bob_his_own(self, rich_alice, bob, client_of):
        ledger.grant(user=bob, amount=7, note="")
        assert client_of(bob).get("/api/v1/tokens").json()["availableTokens"] == 7

    @pytest.mark.parametrize("path", ["/api/v1/tokens", "/api/v1/tokens/entries"])
    def test_needs_a_login(self, db, path):
        assert APIClient().get(path).status_code == 401

    @pytest.mark.parametrize("path", ["/api/v1/tokens", "/api/v1/tokens/entries"])
    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_is_for_reading_only(self, rich_alice, client_of, path, method):
        assert getattr(client_of(rich_alice), method)(path).status_code == 405


class TestEntries:
    @pytest.mark.parametrize("path", ["/api/v1/tokens/entries", "/api/v1/tokens/entries/"])
    def test_come_newest_first_without_who_acted(self, rich_alice, client_of, path):
        answer = client_of(rich_alice).get(path)
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

    def test_are_none_without_an_account(self, alice, client_of):
        answer = client_of(alice).get("/api/v1/tokens/entries")
        empty = {"entries": [], "total": 0, "nextCursor": None, "hasMore": False}
        assert answer.json() == empty

    def test_show_bob_his_own(self, rich_alice, bob, client_of):
        ledger.grant(user=bob, amount=7, note="")
        body = client_of(bob).get("/api/v1/tokens/entries").json()
        assert [entry["amount"] for entry in body["entries"]] == [7]
        assert body["total"] == 1

    @pytest.mark.parametrize(
        ("query", "amounts"),
        [
            ("limit=1", [50]),
            ("limit=100", [50, -50, 120]),
            ("limit=1&offset=1", [-50]),
            ("offset=2", [120]),
            ("offset=3", []),
            ("offset=10000", []),
        ],
    )
    def test_come_in_parts(self, rich_alice, client_of, query, amounts):
        body = client_of(rich_alice).get(f"/api/v1/tokens/entries?{query}").json()
        assert [entry["amount"] for entry in body["entries"]] == amounts
        assert body["total"] == 3

    def test_come_fifty_at_a_time(self, alice, client_of, django_assert_num_queries):
        for amount in range(1, 52):
            ledger.grant(user=alice, amount=amount, note="")
        with django_assert_num_queries(2):
            body = client_of(alice).get("/api/v1/tokens/entries").json()
        assert [entry["amount"] for entry in body["entries"]] == list(range(51, 1, -1))

    @pytest.mark.parametrize(
        "limit", ["0", "101", "-1", "ten", "1.5", "", "9" * 2000, "null", "\0"]
    )
    def test_refuse_a_wrong_limit(self, alice, client_of, limit):
        answer = client_of(alice).get("/api/v1/tokens/entries", {"limit": limit})
        sentence = "Limit must be a whole number from 1 to 100"
        assert answer.status_code == 400
        body = answer.json()
        assert (body["detail"], body["field"], body["code"]) == (sentence, "limit", "invalid")

    @pytest.mark.parametrize("offset", ["-1", "ten", "1.5", "", "9" * 2000])
    def test_refuse_a_wrong_offset(self, alice, client_of, offset):
        answer = client_of(alice).get("/api/v1/tokens/entries", {"offset": offset})
        sentence = "Offset must be a whole number of at least 0"
        assert answer.status_code == 400
        assert (answer.json()["detail"], answer.json()["field"]) == (sentence, "offset")
