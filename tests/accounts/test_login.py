import time
from datetime import timedelta

import pytest
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from rest_framework_simplejwt.tokens import AccessToken

from accounts import jwt
from accounts.api.urls import auth_urls
from tests.api import PASSWORD


class TestLogin:
    @pytest.mark.parametrize("path", ["token", "token/"])
    def test_answers_with_a_working_pair(self, post, me, alice, path):
        answer = post(path, username="alice", password=PASSWORD)
        assert answer.status_code == 200
        assert set(answer.json()) == {"access", "refresh"}
        assert me(answer.json()["access"]).json()["id"] == str(alice.pk)

    def test_notes_when_the_user_was_last_seen(self, post, alice):
        post("token", username="alice", password=PASSWORD)
        alice.refresh_from_db()
        assert alice.last_login is not None

    def test_says_the_same_whatever_is_wrong(self, post, alice, bob):
        bob.is_active = False
        bob.save()
        wrong = post("token", username="alice", password="wrong")
        unknown = post("token", username="nobody", password=PASSWORD)
        inactive = post("token", username="bob", password=PASSWORD)
        assert {a.status_code for a in (wrong, unknown, inactive)} == {401}
        assert wrong.json() == unknown.json() == inactive.json()
        assert wrong.json()["code"] == "no_active_account"
        assert set(wrong.json()) == {"detail", "code"}
        assert wrong["WWW-Authenticate"].startswith("Bearer")

    def test_lets_nobody_in_who_is_deactivated_meanwhile(self, post, alice, monkeypatch):
        def slow(request, **credentials):
            type(alice).objects.update(is_active=False)
            return alice

        monkeypatch.setattr(jwt, "authenticate", slow)
        assert post("token", username="alice", password=PASSWORD).status_code == 401

    def test_reads_a_name_as_registration_does(self, post, alice):
        assert post("token", username=" ａｌｉｃｅ ", password=PASSWORD).status_code == 200

    @pytest.mark.parametrize(
        "bad",
        [
            *({"username": name} for name in ("", "a" * 151, "a\0", "\ud800", None, 1, ["alice"])),
            *({"password": word} for word in ("", "x" * 129, "a\0", "\ud800", None, 1, {"a": 1})),
        ],
        ids=lambda bad: ascii(bad)[:40],
    )
    def test_is_400_for_what_no_user_can_have(self, post, alice, bad):
        answer = post("token", **{"username": "alice", "password": PASSWORD} | bad)
        assert answer.status_code == 400
        assert answer.json()["field"] == next(iter(bad))


class TestMe:
    @pytest.mark.parametrize("path", ["me", "me/"])
    def test_answers_who_one_is(self, anonymous, pair, alice, path):
        headers = {"authorization": f"Bearer {pair.access}"}
        answer = anonymous.get(f"/api/v1/auth/{path}", headers=headers)
        assert answer.status_code == 200
        assert answer.json() == {
            "id": str(alice.pk),
            "username": "alice",
            "email": "alice@example.com",
            "dateJoined": f"{alice.date_joined:%Y-%m-%dT%H:%M:%SZ}",
        }

    def test_is_401_without_a_token(self, anonymous):
        answer = anonymous.get("/api/v1/auth/me")
        assert answer.status_code == 401
        assert answer.json()["code"] == "not_authenticated"

    def test_is_401_as_soon_as_the_user_is_deactivated(self, me, pair, alice):
        assert me(pair.access).status_code == 200
        alice.is_active = False
        alice.save()
        assert me(pair.access).status_code == 401
        assert me(pair.access).json()["code"] == "user_inactive"

    def test_is_401_once_the_password_is_another(self, me, pair, alice):
        alice.set_password("another one")
        alice.save()
        assert me(pair.access).json()["code"] == "password_changed"

    def test_is_401_once_the_user_is_gone(self, me, carol):
        access = jwt.issue(user=carol).access
        carol.delete()
        assert me(access).json()["code"] == "user_not_found"

    def test_is_401_for_a_name_that_no_user_can_have(self, me, alice):
        access = AccessToken.for_user(alice)
        access["user_id"] = "7"
        assert me(access).json()["code"] == "user_not_found"

    def test_is_401_for_a_token_that_ran_out(self, me, alice):
        access = AccessToken.for_user(alice)
        access.set_exp(lifetime=-timedelta(seconds=1))
        assert me(access).json()["code"] == "token_not_valid"

    def test_is_401_for_a_known_token_once_it_has_run_out(self, me, alice):
        access = AccessToken.for_user(alice)
        access.set_exp(lifetime=timedelta(seconds=2))
        assert me(access).status_code == 200
        time.sleep(2.1)
        assert me(access).json()["code"] == "token_not_valid"

    def test_is_401_for_a_known_token_with_another_signature(self, me, pair):
        assert me(pair.access).status_code == 200
        head, payload, signature = pair.access.split(".")
        forged = f"{head}.{payload}.{signature[:-4]}{signature[-4:].swapcase()}"
        assert me(forged).json()["code"] == "token_not_valid"

    def test_is_401_for_a_refresh_token(self, me, pair):
        assert me(pair.refresh).json()["code"] == "token_not_valid"

    @pytest.mark.parametrize("access", ["x", "a.b.c", "e30.e30.e30", "W1tb.W1tb.W1tb", "é", "a b"])
    def test_is_401_for_nonsense(self, me, access):
        assert me(access).status_code == 401


class TestSchema:
    def test_shows_each_path_once_and_no_trailing_slash(self, settings):
        patterns = [path("api/v1/auth/", include(auth_urls()))]
        schema = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
        assert {
            name.removeprefix("/api/v1/auth/"): set(x) for name, x in schema["paths"].items()
        } == {
            "register": {"post"},
            "token": {"post"},
            "token/refresh": {"post"},
            "logout": {"post"},
            "me": {"get"},
        }
