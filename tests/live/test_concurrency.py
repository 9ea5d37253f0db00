"""Many simultaneous requests to several web processes."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.client import ApiClient
from tests.stack import Stack, until

pytestmark = pytest.mark.live

LIMIT = 8  # of active jobs
PASSWORD = "tall ships at anchor"
AUTH, KEYS = "/api/v1/auth", "/api/v1/keys"


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


def registered(studio, name):
    """A new user whose password is PASSWORD, signed in."""
    client = ApiClient(studio.url)
    client.register(name, PASSWORD)
    client.sign_in(name, PASSWORD)
    return client


def post_at_once(studio, count, path, body):
    """Requests to both servers in turn."""
    clients = [ApiClient(studio.urls[n % len(studio.urls)]) for n in range(count)]
    return at_once(*[lambda client=client: client.post(path, json=body) for client in clients])


@pytest.fixture(scope="module")
def mails(tmp_path_factory):
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
def studio(mails):
    """No workers run, so jobs stay PENDING. Failed logins are limited by the day, so that their
    count does not start again during a test."""
    env = {"VIDEO_MAX_ACTIVE_JOBS": str(LIMIT), "THROTTLE_LOGIN_NAME": "10/day"}
    with Stack(webs=2, clusters=0, env=env | {"EMAIL_URL": f"file:///{mails}"}) as stack:
        yield stack


@pytest.fixture(scope="module")
def working():
    """With workers."""
    env = {"VIDEO_MAX_ACTIVE_JOBS": "100", "MOCK_SECONDS": "1", "SIGNUP_GRANT_TOKENS": "5000"}
    with Stack(env=env) as stack:
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
        assert statuses(answers) == {202: LIMIT, 429: 20 - LIMIT}
        assert alice.tokens() == 5000 - 50 * LIMIT
        assert sorted(charges(alice)) == sorted(job["id"] for job in jobs(alice))
        assert len(jobs(alice)) == LIMIT
        for refused in (answer for answer in answers if answer.status_code == 429):
            assert refused.json()["code"] == "too_many_active_jobs"
            assert (refused.json()["activeJobs"], refused.json()["limit"]) == (LIMIT, LIMIT)

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
        old = [alice.create(prompt="A lighthouse").json()["id"] for _ in range(LIMIT)]
        answers = at_once(
            *[lambda job=job: alice.post(path.format(job)) for job in old],
            *[lambda: alice.create(prompt="A lighthouse")] * 9,
        )
        assert statuses(answers[:LIMIT]) == {200: LIMIT}
        assert set(statuses(answers[LIMIT:])) <= {202, 429}
        active = [job for job in jobs(alice) if job["status"] == "PENDING"]
        assert len(active) == statuses(answers)[202] <= LIMIT
        assert alice.tokens() == 5000 - 50 * len(active)


def program(studio, alice, **fields):
    """A client with a new key of `alice`, and the key's fields."""
    made = alice.post(KEYS, json={"name": "Program"} | fields).json()
    return ApiClient(studio.url, made["key"]), made


class TestDailyLimitOfAKey:
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


class TestKeys:
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


class TestAccounts:
    def test_one_of_six_refreshes_succeeds(self, studio):
        login = {"username": "alice-who-refreshes", "password": PASSWORD}
        ApiClient(studio.url).register(login["username"], PASSWORD)
        pair = ApiClient(studio.url).post(f"{AUTH}/token", json=login).json()
        for _ in range(10):
            answers = post_at_once(studio, 6, f"{AUTH}/token/refresh", {"refresh": pair["refresh"]})
            assert statuses(answers) == {200: 1, 401: 5}
            codes = {answer.json()["code"] for answer in answers if answer.status_code == 401}
            assert codes == {"token_not_valid"}
            (pair,) = [answer.json() for answer in answers if answer.status_code == 200]

    def test_one_of_six_registrations_of_a_name_succeeds(self, studio):
        boris = {"username": "boris", "email": "boris@example.com", "password": PASSWORD}
        answers = post_at_once(studio, 6, f"{AUTH}/register", boris)
        assert statuses(answers) == {201: 1, 400: 5}
        fields = {answer.json()["field"] for answer in answers if answer.status_code == 400}
        assert fields == {"username"}

    def test_failed_logins_are_counted_across_processes(self, studio):
        carol = {"username": "carol", "password": PASSWORD}
        answers = post_at_once(studio, 17, f"{AUTH}/token", carol)
        assert statuses(answers) == {401: 10, 429: 7}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert 1 <= int(refused.headers["Retry-After"]) <= 24 * 3600


class TestCache:
    def test_two_processes_lose_no_count_and_add_a_key_once(self, studio):
        code = (
            "from django.core.cache import cache;"
            "[cache.count('n', 600) for _ in range(300)];"
            "added = sum(cache.add(f'n{n}', 1, 600) for n in range(300));"
            "print(added, cache.count('n', 600))"
        )
        shell = ("shell", "-v0", "-c", code)
        said = at_once(*[lambda: studio.manage(*shell).stdout.split()] * 2)
        assert sum(int(added) for added, _ in said) == 300
        assert max(int(count) for _, count in said) == 602


class TestPasswords:
    def test_one_of_many_changes_succeeds(self, studio):
        alice = registered(studio, "alice-who-changes")

        def change(number: int):
            body = {"currentPassword": PASSWORD, "newPassword": f"another ship {number}"}
            return alice.post(f"{AUTH}/password", json=body)

        answers = at_once(*[lambda number=number: change(number) for number in range(8)])
        assert statuses(answers)[200] == 1
        assert set(statuses(answers)) <= {200, 400, 401}  # 401: its token had stopped already

    def test_mailed_link_works_once(self, studio, mails):
        alice = registered(studio, "alice-who-forgets")
        address = "alice-who-forgets@example.com"
        assert alice.post(f"{AUTH}/password/reset", json={"email": address}).status_code == 204
        assert until(lambda: [*mails.glob("*.log")], 20)
        [file] = mails.glob("*.log")
        assert until(lambda: "token=" in file.read_text(), 20)
        text = file.read_text().replace("=\n", "").replace("=3D", "=")
        link = re.search(r"http\S+", text)
        assert link
        assert link[0].startswith(f"{studio.url}/account/password?token=")
        token = parse_qs(urlsplit(link[0]).query)["token"][0]

        def reset(number: int):
            body = {"token": token, "newPassword": f"another ship {number}"}
            return alice.post(f"{AUTH}/password/reset/confirm", json=body)

        answers = at_once(*[lambda number=number: reset(number) for number in range(8)])
        assert statuses(answers) == {204: 1, 400: 7}
        assert alice.get(f"{AUTH}/me").status_code == 401


class TestCancelWhileFinishing:
    def test_each_job_ends_in_one_way_and_is_charged_for_it(self, working):
        alice = working.user("alice")
        started = time.monotonic()
        alice.wait(alice.create(prompt="A lighthouse").json()["id"])
        seconds_of_one = time.monotonic() - started
        ids = [alice.create(prompt="A lighthouse").json()["id"] for _ in range(24)]

        def cancel(number: int) -> Any:
            """Spread over the time in which these jobs end."""
            time.sleep(seconds_of_one * number / 8)
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
        later = {job["id"]: job["status"] for job in jobs(alice) if job["id"] in ids}
        assert later == {job_id: alice.job(job_id)["status"] for job_id in ids}


class TestDeletedAccount:
    @pytest.mark.parametrize("name", ["ada", "anna", "amy"])
    def test_no_job_or_key_outlives_the_account(self, working, name):
        alice = registered(working, name)
        [(id,)] = working.sql("SELECT id FROM accounts_user WHERE username = %s", name)
        for _ in range(5):
            alice.create(prompt="A lighthouse")
        answers = at_once(
            lambda: alice.delete(f"{AUTH}/me", json={"password": PASSWORD}),
            *[lambda: alice.create(prompt="A lighthouse")] * 12,
            *[lambda: alice.post(KEYS, json={"name": "x"})] * 6,
        )
        assert answers[0].status_code == 204, answers[0].text
        assert {answer.status_code for answer in answers[1:]} <= {201, 202, 401}
        for table in ("jobs_videojob", "accounts_apikey"):
            left = f"SELECT count(*) FROM {table} WHERE user_id = %s"
            assert working.sql(left, id) == [(0,)], table


class TestLedger:
    def test_check_ledger_finds_nothing_after_all_tests(self, studio, working):
        for stack in (studio, working):
            assert stack.manage("check_ledger").returncode == 0
