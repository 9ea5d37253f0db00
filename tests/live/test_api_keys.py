"""API keys under simultaneous requests to two web processes."""

from collections import Counter

import pytest

from tests.client import ApiClient
from tests.live.test_concurrency import at_once, order_at_once, statuses
from tests.stack import Stack

pytestmark = pytest.mark.live

KEYS = "/api/v1/keys"


@pytest.fixture(scope="module")
def studio():
    """Without workers: jobs stay PENDING."""
    env = {"WEB_CONCURRENCY": "2", "VIDEO_MAX_ACTIVE_JOBS": "100", "THROTTLE_CREATE": "1000/min"}
    with Stack(clusters=0, env=env) as stack:
        yield stack


def program(studio, alice, **fields):
    """A client with a new key of `alice`, and the key's fields."""
    made = alice.post(KEYS, json={"name": "Program"} | fields).json()
    return ApiClient(studio.url, made["key"]), made


class TestDailyLimit:
    def test_forty_orders_at_once_spend_exactly_the_limit(self, studio):
        alice = studio.user("alice-with-a-limited-key", tokens=5000)
        limited, _ = program(studio, alice, dailyTokenLimit=370)
        answers = order_at_once(limited, 40)
        assert statuses(answers) == {202: 7, 429: 33}
        codes = {answer.json()["code"] for answer in answers if answer.status_code == 429}
        assert codes == {"key_limit_reached"}
        assert alice.tokens() == 5000 - 7 * 50

    def test_cancels_and_orders_at_once_stay_within_the_limit(self, studio):
        alice = studio.user("alice-who-cancels", tokens=5000)
        limited, _ = program(studio, alice, dailyTokenLimit=200)
        jobs = [limited.create(prompt="A").json()["id"] for _ in range(4)]
        answers = at_once(
            *[lambda job=job: limited.post(f"/api/v1/video-jobs/{job}/cancel") for job in jobs[:2]],
            *[lambda: limited.create(prompt="B")] * 10,
        )
        made = statuses(answers[2:])[202]
        assert made <= 2
        more = order_at_once(limited, 5)
        assert statuses(more)[202] == 2 - made
        assert alice.tokens() == 5000 - 4 * 50


class TestManyRequests:
    def test_no_more_than_twenty_keys_are_made_at_once(self, studio):
        alice = studio.user("alice-who-makes-keys", tokens=100)
        answers = at_once(*[lambda: alice.post(KEYS, json={"name": "x"})] * 30)
        assert statuses(answers) == {201: 20, 409: 10}
        assert len(alice.get(KEYS).json()["keys"]) == 20

    def test_last_use_is_written_once(self, studio):
        alice = studio.user("alice-who-polls", tokens=100)
        poller, made = program(studio, alice)
        before = writes(studio, made["id"])
        answers = at_once(*[lambda: [poller.get("/api/v1/tokens") for _ in range(10)]] * 12)
        assert Counter(each.status_code for few in answers for each in few) == {200: 120}
        assert writes(studio, made["id"]) != before
        [(used,)] = studio.sql("SELECT last_used_at FROM accounts_apikey WHERE id = %s", made["id"])
        for _ in range(20):
            poller.get("/api/v1/tokens")
        [(still,)] = studio.sql(
            "SELECT last_used_at FROM accounts_apikey WHERE id = %s", made["id"]
        )
        assert still == used

    def test_revoked_key_is_refused_by_every_process(self, studio):
        alice = studio.user("alice-who-revokes", tokens=100)
        poller, made = program(studio, alice)
        call = lambda: poller.get("/api/v1/tokens")  # noqa: E731
        assert statuses(at_once(*[call] * 12)) == {200: 12}
        assert alice.delete(f"{KEYS}/{made['id']}").status_code == 204
        assert statuses(at_once(*[call] * 24)) == {401: 24}


def writes(studio, id):
    """The version of the row: PostgreSQL's id of the transaction that wrote it last."""
    return studio.sql("SELECT xmin FROM accounts_apikey WHERE id = %s", id)
