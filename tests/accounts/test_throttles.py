import pytest
from django.core.cache import cache, caches
from rest_framework.test import APIRequestFactory

from accounts.models import User
from tests.api import PASSWORD
from videostudio.core.api.throttling import WindowThrottle, client_address


class Throttle(WindowThrottle):
    scope = "auth"


@pytest.fixture
def allowed(db):
    """Whether one more request from this address is let through."""
    cache.clear()

    def allowed(address="1.2.3.4", method="post", headers=None):
        request = getattr(APIRequestFactory(), method)("/", headers=headers, REMOTE_ADDR=address)
        return Throttle().allow_request(request, None)

    return allowed


class TestWindow:
    def test_requests_over_the_rate_are_refused(self, allowed, rates, clock):
        rates(auth="3/min")
        assert [allowed() for _ in range(5)] == [True, True, True, False, False]

    def test_next_minute_starts_a_new_count(self, allowed, rates, clock):
        rates(auth="1/min")
        assert [allowed(), allowed()] == [True, False]
        clock.now += 60
        assert [allowed(), allowed()] == [True, False]

    def test_wait_lasts_until_the_end_of_the_window(self, rates, clock, db):
        rates(auth="1/hour")
        clock.now += 600
        throttle = Throttle()
        throttle.allow_request(APIRequestFactory().post("/"), None)
        assert throttle.wait() == 3000

    def test_each_address_has_its_own_count(self, allowed, rates, clock):
        rates(auth="1/min")
        assert [allowed("1.1.1.1"), allowed("2.2.2.2"), allowed("1.1.1.1")] == [True, True, False]

    @pytest.mark.parametrize("method", ["get", "options"])
    def test_reads_are_not_counted(self, allowed, rates, clock, method):
        rates(auth="1/min")
        assert [allowed(method=method) for _ in range(3)] == [True, True, True]

    def test_forwarded_address_is_ignored_without_trusted_proxy(self, allowed, rates, clock):
        rates(auth="1/min")
        chosen = [allowed(headers={"x-forwarded-for": f"9.9.9.{n}"}) for n in range(3)]
        assert chosen == [True, False, False]

    def test_forged_address_before_a_trusted_proxy_is_ignored(
        self, allowed, rates, settings, clock
    ):
        rates(auth="1/min")
        settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}
        forged = [allowed(headers={"x-forwarded-for": f"9.9.9.{n}, 5.5.5.5"}) for n in range(2)]
        assert forged == [True, False]
        assert allowed(headers={"x-forwarded-for": "9.9.9.0, 6.6.6.6"})

    @pytest.mark.parametrize("address", ["", "x" * 5000, "ÿ\x80"])
    def test_odd_addresses_are_counted(self, allowed, rates, clock, address):
        rates(auth="1/min")
        assert [allowed(address), allowed(address)] == [True, False]


class TestAnotherCache:
    """Redis, say: any whose `incr` is atomic."""

    @pytest.fixture(autouse=True)
    def other(self, monkeypatch):
        monkeypatch.setattr(WindowThrottle, "cache", caches["local"])

    def test_requests_over_the_rate_are_refused(self, allowed, rates, clock):
        rates(auth="2/min")
        assert [allowed() for _ in range(4)] == [True, True, False, False]
        clock.now += 60
        assert allowed()

    def test_key_evicted_during_the_count_raises_nothing(self, allowed, monkeypatch):
        monkeypatch.setattr(type(caches["local"]), "add", lambda *a, **k: False)
        assert allowed()


class TestThrottledPaths:
    def test_login_refresh_and_registration_share_one_count(self, post, pair, rates, clock):
        rates(auth="3/min")
        post("token", username="alice", password="wrong")
        post("token/refresh", refresh="wrong")
        post("register", username="alice")
        for path in ("token", "token/refresh", "register"):
            answer = post(path)
            assert answer.status_code == 429
            assert answer.json()["code"] == "throttled"
            assert set(answer.json()) == {"detail", "code"}
            assert answer["Retry-After"] == "60"
            assert answer.json()["detail"] == (
                "At most 3 logins, refreshes, registrations and password resets from one address "
                "are allowed in a minute. Try again in 60 seconds."
            )
            assert answer["RateLimit-Policy"] == '"auth";q=3;w=60'
            assert answer["RateLimit"] == '"auth";r=0;t=60'

    def test_429_comes_before_the_body_is_read(self, anonymous, rates, clock):
        rates(auth="1/min")
        answers = [
            anonymous.post("/api/v1/auth/token", "{", content_type="application/json")
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [400, 429]

    def test_logout_and_me_are_not_throttled(self, post, me, pair, rates, clock):
        rates(auth="1/min", login_name="1/min")
        assert [post("logout", refresh="wrong").status_code for _ in range(3)] == [401] * 3
        assert [me(pair.access).status_code for _ in range(3)] == [200] * 3

    def test_methods_other_than_post_are_not_counted(self, anonymous, post, alice, rates, clock):
        rates(auth="1/min")
        assert [anonymous.get("/api/v1/auth/token").status_code for _ in range(3)] == [405] * 3
        assert post("token", username="alice", password=PASSWORD).status_code == 200


class TestLoginName:
    def test_failures_are_counted_across_spellings_of_a_name(self, post, alice, rates, clock):
        rates(login_name="3/min")
        names = ["alice", " alice ", "ＡＬＩＣＥ", "Alice"]
        codes = [post("token", username=name, password="wrong").status_code for name in names]
        assert codes == [401, 401, 401, 429]

    def test_successful_logins_are_not_counted(self, post, alice, rates, clock):
        rates(login_name="1/min")
        codes = [post("token", username="alice", password=PASSWORD).status_code for _ in range(3)]
        assert codes == [200, 200, 200]

    def test_right_password_is_accepted_after_guesses_from_elsewhere(
        self, anonymous, post, alice, rates, clock
    ):
        rates(login_name="1/min")
        for _ in range(3):
            anonymous.post(
                "/api/v1/auth/token",
                {"username": "alice", "password": "a guess"},
                format="json",
                REMOTE_ADDR="6.6.6.6",
            )
        assert post("token", username="alice", password=PASSWORD).status_code == 200

    def test_other_names_are_not_affected(self, post, alice, bob, rates, clock):
        rates(login_name="1/min")
        post("token", username="alice", password="wrong")
        assert post("token", username="alice", password=PASSWORD).status_code == 429
        assert post("token", username="bob", password=PASSWORD).status_code == 200

    def test_unknown_name_is_counted_like_a_known_one(self, post, db, rates, clock):
        rates(login_name="1/min")
        codes = [post("token", username="nobody", password="x").status_code for _ in range(2)]
        assert codes == [401, 429]
        assert not User.objects.exists()

    @pytest.mark.parametrize("name", ["\ud800", "a\0", "a" * 100_000, "\u0315\u0321" * 50_000])
    def test_odd_names_are_400(self, post, rates, clock, name):
        assert post("token", username=name, password="x").status_code == 400


class TestClientAddress:
    @pytest.mark.parametrize(
        ("ident", "address"),
        [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::5]:443", "2001:db8:1:2::/64"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("nonsense", "nonsense"),
            (None, ""),
        ],
    )
    def test_one_client_has_one_address(self, ident, address):
        assert client_address(ident) == address
