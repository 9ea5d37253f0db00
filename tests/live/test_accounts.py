"""Simultaneous account requests to several real processes; the cache's table and its migration."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.stack import ApiClient, Stack

pytestmark = pytest.mark.live

PASSWORD = "tall ships at anchor"


def at_once(count, call):
    """What `call(0)`, `call(1)` and so on return, started at the same moment."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def post_at_once(studio, count, path, body):
    clients = [ApiClient(studio.urls[n % len(studio.urls)]) for n in range(count)]
    return at_once(count, lambda n: clients[n].post(f"/api/v1/auth/{path}", json=body))


def statuses(answers):
    return sorted(answer.status_code for answer in answers)


@pytest.fixture(scope="module")
def studio():
    """The limit of failed logins is per day, so that its window does not end during a test."""
    with Stack(webs=2, clusters=0, env={"THROTTLE_LOGIN_NAME": "5/day"}) as stack:
        yield stack


class TestSimultaneousRequests:
    def test_one_of_six_refreshes_succeeds(self, studio):
        client = ApiClient(studio.url)
        client.register("alice", PASSWORD)
        login = {"username": "alice", "password": PASSWORD}
        pair = client.post("/api/v1/auth/token", json=login).json()
        for _ in range(10):
            answers = post_at_once(studio, 6, "token/refresh", {"refresh": pair["refresh"]})
            assert statuses(answers) == [200] + [401] * 5
            codes = {answer.json()["code"] for answer in answers if answer.status_code == 401}
            assert codes == {"token_not_valid"}
            (pair,) = [answer.json() for answer in answers if answer.status_code == 200]

    def test_one_of_six_registrations_of_a_name_succeeds(self, studio):
        bob = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
        answers = post_at_once(studio, 6, "register", bob)
        assert statuses(answers) == [201] + [400] * 5
        fields = {answer.json()["field"] for answer in answers if answer.status_code == 400}
        assert fields == {"username"}

    def test_failed_logins_are_counted_across_processes(self, studio):
        answers = post_at_once(studio, 12, "token", {"username": "carol", "password": PASSWORD})
        assert statuses(answers) == [401] * 5 + [429] * 7
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert 1 <= int(refused.headers["Retry-After"]) <= 24 * 3600


class TestCache:
    def test_four_processes_lose_no_count_and_add_a_key_once(self, studio):
        code = (
            "from django.core.cache import cache;"
            "[cache.count('n', 600) for _ in range(200)];"
            "print(sum(cache.add(f'n{n}', 1, 600) for n in range(200)))"
        )
        shell = ("shell", "-v0", "-c")
        added = at_once(4, lambda n: int(studio.manage(*shell, code).stdout))
        assert sum(added) == 200
        code = "from django.core.cache import cache; print(cache.count('n', 600))"
        assert studio.manage(*shell, code).stdout.strip() == "801"


class TestCacheTable:
    @pytest.fixture
    def stack(self, stack):
        return stack(webs=0, clusters=0)

    def exists(self, stack):
        return bool(stack.sql("SELECT 1 FROM pg_tables WHERE tablename = 'django_cache'"))

    def test_table_is_dropped_and_created_by_its_migration(self, stack):
        """Also where it is missing before, exists already, or Redis is the cache."""
        assert self.exists(stack)
        stack.manage("migrate", "accounts", "0001_user")
        assert not self.exists(stack)
        stack.manage("migrate", "accounts")
        assert self.exists(stack)
        stack.sql("DROP TABLE django_cache")
        stack.manage("migrate", "accounts", "0001_user")
        stack.manage("createcachetable", "django_cache")
        stack.manage("migrate", "accounts")
        assert self.exists(stack)
        stack.env["REDIS_URL"] = "redis://127.0.0.1:1/0"
        stack.manage("migrate", "accounts", "0001_user")
        stack.manage("migrate", "accounts")
        assert self.exists(stack)
