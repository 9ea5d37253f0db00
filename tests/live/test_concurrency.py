"""Many simultaneous requests of one user to two web processes."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.stack import Stack

pytestmark = pytest.mark.live


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, started at the same moment."""
    ready = threading.Barrier(len(calls))

    def begin(call: Callable[[], Any]) -> Any:
        ready.wait(timeout=30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(begin, calls))


def order_at_once(client, count, **options):
    return at_once(*[lambda: client.create(prompt="A lighthouse", **options)] * count)


def statuses(answers):
    return Counter(answer.status_code for answer in answers)


def entries(client):
    return client.get("/api/v1/tokens/entries", params={"limit": 100}).json()["entries"]


def charges(client):
    return [each["reference"] for each in entries(client) if each["kind"] == "charge"]


def jobs(client):
    return client.get("/api/v1/video-jobs", params={"limit": 100}).json()["jobs"]


@pytest.fixture(scope="module")
def studio():
    """Without workers: jobs stay PENDING."""
    with Stack(clusters=0, env={"WEB_CONCURRENCY": "2"}) as stack:
        yield stack


class TestSimultaneousOrders:
    def test_no_more_are_accepted_than_the_tokens_pay_for(self, studio):
        alice = studio.user("alice-with-tokens-for-two", tokens=100)
        answers = order_at_once(alice, 20)
        assert statuses(answers) == {202: 2, 402: 18}
        assert alice.tokens() == 0
        assert sorted(charges(alice)) == sorted(job["id"] for job in jobs(alice))
        assert len(jobs(alice)) == 2
        for refused in (answer for answer in answers if answer.status_code == 402):
            assert refused.json()["code"] == "insufficient_tokens"

    def test_no_more_are_accepted_than_the_limit_of_active_jobs(self, studio):
        alice = studio.user("alice-with-plenty", tokens=5000)
        answers = order_at_once(alice, 20)
        assert statuses(answers) == {202: 3, 429: 17}
        assert alice.tokens() == 4850
        assert sorted(charges(alice)) == sorted(job["id"] for job in jobs(alice))
        assert len(jobs(alice)) == 3
        for refused in (answer for answer in answers if answer.status_code == 429):
            assert refused.json()["code"] == "too_many_active_jobs"
            assert (refused.json()["activeJobs"], refused.json()["limit"]) == (3, 3)

    def test_orders_with_one_idempotency_key_create_one_job(self, studio):
        alice = studio.user("alice-with-a-key", tokens=5000)
        answers = order_at_once(alice, 12, headers={"Idempotency-Key": "one-and-the-same"})
        assert statuses(answers) == {202: 12}
        assert len({answer.json()["id"] for answer in answers}) == 1
        replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
        assert Counter(replayed) == {"true": 11, None: 1}
        assert len(jobs(alice)) == len(charges(alice)) == 1
        assert alice.tokens() == 4950

    def test_orders_of_two_users_do_not_count_for_each_other(self, studio):
        alice, bob = (studio.user(name, tokens=100) for name in ("alice", "bob"))
        answers = at_once(*[lambda: alice.create(prompt="A"), lambda: bob.create(prompt="B")] * 5)
        assert statuses(answers[::2]) == statuses(answers[1::2]) == {202: 2, 402: 3}
        assert alice.tokens() == bob.tokens() == 0


class TestSimultaneousCancels:
    def test_job_cancelled_many_times_is_refunded_once(self, studio):
        alice = studio.user("alice-of-two-minds", tokens=100)
        job = alice.create(prompt="A lighthouse").json()
        path = f"/api/v1/video-jobs/{job['id']}"
        cancel, delete = (lambda: alice.post(f"{path}/cancel")), (lambda: alice.delete(path))
        answers = at_once(*[cancel] * 8)
        assert statuses(answers) == {200: 8}
        assert {answer.json()["status"] for answer in answers} == {"CANCELLED"}
        assert alice.entry_kinds(job["id"]) == ["charge", "refund"]
        gone = at_once(*[delete] * 4, *[cancel] * 4)
        assert set(statuses(gone)) <= {200, 204, 404}
        assert alice.get(path).status_code == 404
        assert alice.entry_kinds(job["id"]) == ["charge", "refund"]
        assert alice.tokens() == 100

    def test_cancels_and_orders_together_never_exceed_the_limit(self, studio):
        alice = studio.user("alice-who-swaps", tokens=5000)
        path = "/api/v1/video-jobs/{}/cancel"
        old = [alice.create(prompt="A lighthouse").json()["id"] for _ in range(3)]
        answers = at_once(
            *[lambda job=job: alice.post(path.format(job)) for job in old],
            *[lambda: alice.create(prompt="A lighthouse")] * 9,
        )
        assert statuses(answers[:3]) == {200: 3}
        assert set(statuses(answers[3:])) <= {202, 429}
        active = [job for job in jobs(alice) if job["status"] == "PENDING"]
        assert len(active) == statuses(answers)[202] <= 3
        assert alice.tokens() == 5000 - 50 * len(active)


class TestCancelWhileFinishing:
    def test_each_job_ends_in_one_way_and_is_charged_for_it(self, stack):
        stack = stack(env={"VIDEO_MAX_ACTIVE_JOBS": "100", "MOCK_SECONDS": "1"})
        alice = stack.user("alice", tokens=5000)
        ids = [alice.create(prompt="A lighthouse").json()["id"] for _ in range(24)]

        def cancel(number: int) -> Any:
            """Spread over the time in which these jobs end."""
            time.sleep(number / 5)
            return alice.post(f"/api/v1/video-jobs/{ids[number]}/cancel")

        answers = at_once(*[lambda number=number: cancel(number) for number in range(24)])
        for job_id, answer in zip(ids, answers, strict=True):
            job = alice.wait(job_id)
            assert (answer.status_code, job["status"]) in [(200, "CANCELLED"), (409, "SUCCEEDED")]
            assert [line["level"] for line in job["logs"]].count("error") == 0
            ends = [line for line in job["logs"] if line["message"][0] in "✅🛑"]
            assert len(ends) == 1
            generating = any("in progress" in line["message"] for line in job["logs"])
            assert job["tokensRefunded"] == (0 if generating else 50)
            assert alice.entry_kinds(job_id) == ["charge", *["refund"] * (not generating)]
        assert len(set(statuses(answers))) == 2, "every job ended in the same way"
        later = {job["id"]: job["status"] for job in jobs(alice)}
        assert later == {job_id: alice.job(job_id)["status"] for job_id in ids}
        stack.manage("check_ledger")


class TestLedger:
    def test_check_ledger_finds_nothing_after_all_tests(self, studio):
        assert studio.manage("check_ledger").returncode == 0
