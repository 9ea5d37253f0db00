"""Accounts, throttles and the cache under several real processes, on a database of their own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stack import ApiClient

pytestmark = pytest.mark.live

ALICE = {"username": "alice", "password": "tall ships at anchor"}


def at_once(count, call):
    """What `call(0)`, `call(1)` and so on return, begun in the same moment."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def post_at_once(stack, count, path, body):
    clients = [ApiClient(stack.urls[n % len(stack.urls)]) for n in range(count)]
    return at_once(count, lambda n: clients[n].post(f"/api/v1/auth/{path}", json=body))


class TestSimultaneousRequests:
    def test_one_of_six_refreshes_succeeds(self, stack):
        stack = stack(webs=2, clusters=0)
        client = ApiClient(stack.url)
        client.post("/api/v1/auth/register", json=ALICE | {"email": "alice@example.com"})
        pair = client.post("/api/v1/auth/token", json=ALICE).json()
        for _ in range(10):
            answers = post_at_once(stack, 6, "token/refresh", {"refresh": pair["refresh"]})
            assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
            codes = {answer.json()["code"] for answer in answers if answer.status_code == 401}
            assert codes == {"token_not_valid"}
            (pair,) = [answer.json() for answer in answers if answer.status_code == 200]

    def test_one_of_six_registrations_wins(self, stack):
        stack = stack(webs=2, clusters=0)
        alice = ALICE | {"email": "alice@example.com"}
        answers = post_at_once(stack, 6, "register", alice)
        assert sorted(answer.status_code for answer in answers) == [201] + [400] * 5
        fields = {answer.json()["field"] for answer in answers if answer.status_code == 400}
        assert fields == {"username"}

    def test_are_counted_across_processes(self, stack):
        # A day, so that the window does not end in the middle of the test.
        stack = stack(webs=2, clusters=0, env={"THROTTLE_LOGIN_NAME": "5/day"})
        answers = post_at_once(stack, 12, "token", ALICE)
        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert 1 <= int(refused.headers["Retry-After"]) <= 24 * 3600


class TestCache:
    def test_loses_no_count_between_processes(self, stack):
        stack = stack(webs=0, clusters=0)

        def shell(code):
            code = f"from django.core.cache import cache; {code}"
            return stack.manage("shell", "-v0", "-c", code).stdout

        at_once(4, lambda n: shell("[cache.count('n', 600) for _ in range(200)]"))
        assert shell("print(cache.count('n', 600))").strip() == "801"

    def test_adds_once_between_processes(self, stack):
        stack = stack(webs=0, clusters=0)
        code = (
            "from django.core.cache import cache;"
            "print(sum(cache.add(f'n{n}', 1, 600) for n in range(200)))"
        )
        counts = at_once(4, lambda n: int(stack.manage("shell", "-v0", "-c", code).stdout))
        assert sum(counts) == 200


class TestCacheTable:
    @pytest.fixture
    def stack(self, stack):
        return stack(webs=0, clusters=0)

    def is_there(self, stack):
        code = "from django.db import connection; print(connection.introspection.table_names())"
        return "'django_cache'" in stack.manage("shell", "-v0", "-c", code).stdout

    def test_comes_and_goes_with_its_migration(self, stack):
        assert self.is_there(stack)
        stack.manage("migrate", "accounts", "0001_user")
        assert not self.is_there(stack)
        stack.manage("migrate")
        assert self.is_there(stack)

    def test_may_be_gone_before_and_there_already(self, stack):
        stack.sql("DROP TABLE django_cache")
        stack.manage("migrate", "accounts", "0001_user")
        stack.manage("createcachetable", "django_cache")
        stack.manage("migrate")
        assert self.is_there(stack)

    def test_is_made_where_redis_is_the_cache(self, stack):
        stack.env["REDIS_URL"] = "redis://127.0.0.1:1/0"
        stack.manage("migrate", "accounts", "0001_user")
        stack.manage("migrate")
        assert self.is_there(stack)
