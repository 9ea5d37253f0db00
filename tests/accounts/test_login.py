import time
from datetime import timedelta

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts import jwt
from tests.api import PASSWORD


class TestLogin:
    @pytest.mark.parametrize("path", ["token", "token/"])
    def test_right_password_gets_a_working_pair(self, post, me, alice, path):
        answer = post(path, username="alice", password=PASSWORD)
        assert answer.status_code == 200
        assert set(answer.json()) == {"access", "refresh"}
        assert me(answer.json()["access"]).json()["id"] == str(alice.pk)

    def test_last_login_is_recorded(self, post, alice):
        post("token", username="alice", password=PASSWORD)
        alice.refresh_from_db()
        assert alice.last_login is not None

    def test_wrong_unknown_and_inactive_get_the_same_answer(self, post, alice, bob):
        bob.is_active = False
        bob.save()
        wrong = post("token", username="alice", password="wrong")
        unknown = post("token", username="nobody", password=PASSWORD)
        inactive = post("token", username="bob", password=PASSWORD)
        assert {a.status_code for a in (wrong, unknown, inactive)} == {401}
        assert wrong.json() == unknown.json() == inactive.json()
        assert wrong.json()["code"] == "no_active_account"
        assert set(wrong.json()) == {"detail", "code"}
        assert wrong["WWW-Authenticate"] == 'Bearer realm="api"'

    def test_user_deactivated_during_login_is_401(self, post, alice, monkeypatch):
        def slow(request, **credentials):
            type(alice).objects.update(is_active=False)
            return alice

        monkeypatch.setattr(jwt, "authenticate", slow)
        assert post("token", username="alice", password=PASSWORD).status_code == 401

    @pytest.mark.parametrize("name", ["ALICE", "Alice"])
    def test_case_of_the_username_does_not_matter(self, post, alice, name):
        assert post("token", username=name, password=PASSWORD).status_code == 200
        assert post("token", username=name, password="wrong").status_code == 401

    @pytest.mark.both  # the databases differ in what they take for the same letter
    def test_name_with_another_letter_is_another_name(self, post, alice):
        """LoginNameThrottle counts it separately, so it must not be one more try for alice."""
        assert post("token", username="al\u0130ce", password=PASSWORD).status_code == 401

    def test_username_is_normalised(self, post, alice):
        assert post("token", username=" ａｌｉｃｅ ", password=PASSWORD).status_code == 200

    @pytest.mark.parametrize(
        "bad",
        [
            *({"username": name} for name in ("", "a" * 151, "a\0", "\ud800", None, ["alice"])),
            *({"password": word} for word in ("", "x" * 129, "a\0", "\ud800", None, {"a": 1})),
        ],
        ids=lambda bad: ascii(bad)[:40],
    )
    def test_impossible_username_or_password_is_400(self, post, alice, bad):
        answer = post("token", **{"username": "alice", "password": PASSWORD} | bad)
        assert answer.status_code == 400
        assert answer.json()["field"] == next(iter(bad))


class TestMe:
    @pytest.mark.parametrize("path", ["me", "me/"])
    def test_me_shows_the_user(self, anonymous, pair, alice, path):
        headers = {"authorization": f"Bearer {pair.access}"}
        answer = anonymous.get(f"/api/v1/auth/{path}", headers=headers)
        assert answer.status_code == 200
        assert answer.json() == {
            "id": str(alice.pk),
            "username": "alice",
            "email": "alice@example.com",
            "dateJoined": f"{alice.date_joined:%Y-%m-%dT%H:%M:%SZ}",
        }

    def test_deactivated_user_is_401(self, me, pair, alice):
        assert me(pair.access).status_code == 200
        alice.is_active = False
        alice.save()
        assert me(pair.access).status_code == 401
        assert me(pair.access).json()["code"] == "user_inactive"

    def test_deleted_user_is_401(self, me, carol):
        access = jwt.issue(user=carol).access
        carol.delete()
        assert me(access).json()["code"] == "user_not_found"

    def test_impossible_user_id_in_the_token_is_401(self, me, alice):
        access = AccessToken.for_user(alice)
        access["user_id"] = "7"
        assert me(access).json()["code"] == "user_not_found"

    def test_token_that_expires_after_use_is_401(self, me, alice):
        access = AccessToken.for_user(alice)
        access.set_exp(lifetime=timedelta(seconds=2))
        assert me(access).status_code == 200
        time.sleep(2.1)
        assert me(access).json()["code"] == "token_not_valid"

    def test_known_token_with_other_signature_is_401(self, me, pair):
        assert me(pair.access).status_code == 200
        head, payload, signature = pair.access.split(".")
        forged = f"{head}.{payload}.{signature[:-4]}{signature[-4:].swapcase()}"
        assert me(forged).json()["code"] == "token_not_valid"

    @pytest.mark.parametrize("access", ["e30.e30.e30", "W1tb.W1tb.W1tb", "é"])
    def test_malformed_token_is_401(self, me, access):
        assert me(access).status_code == 401
