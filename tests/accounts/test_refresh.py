import base64
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts import jwt

NONSENSE = [
    *("x", "a.b.c", "é.é.é", "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA"),
    base64.urlsafe_b64encode(b"[" * 1400).decode() + ".e30.e30",
    base64.urlsafe_b64encode(b'{"alg": "none"}').decode() + ".e30.",
]


@pytest.fixture(params=["token/refresh", "logout"])
def path(request):
    """Every path that spends a refresh token."""
    return request.param


class TestRefresh:
    def test_refresh_token_gets_a_working_pair(self, post, me, pair):
        answer = post("token/refresh", refresh=pair.refresh)
        assert answer.status_code == 200
        assert set(answer.json()) == {"access", "refresh"}
        assert me(answer.json()["access"]).status_code == 200
        assert post("token/refresh", refresh=answer.json()["refresh"]).status_code == 200

    def test_invalid_access_token_in_the_header_is_ignored(self, post, pair):
        headers = {"authorization": "Bearer old"}
        assert post("token/refresh", headers=headers, refresh=pair.refresh).status_code == 200

    def test_deactivated_user_is_401_and_keeps_the_token(self, post, pair, alice):
        alice.is_active = False
        alice.save()
        answer = post("token/refresh", refresh=pair.refresh)
        assert answer.status_code == 401
        assert answer.json()["code"] == "user_inactive"
        alice.is_active = True
        alice.save()
        assert post("token/refresh", refresh=pair.refresh).status_code == 200

    def test_deleted_user_is_401(self, post, carol):
        refresh = jwt.issue(user=carol).refresh
        carol.delete()
        answer = post("token/refresh", refresh=refresh)
        assert answer.status_code == 401
        assert answer.json()["code"] == "user_not_found"

    def test_token_from_before_a_password_change_is_401(self, post, pair, alice):
        alice.set_password("another one")
        alice.save()
        answer = post("token/refresh", refresh=pair.refresh)
        assert answer.status_code == 401
        assert answer.json()["code"] == "password_changed"

    def test_failed_rotation_keeps_the_token(self, pair, monkeypatch):
        with monkeypatch.context() as broken:
            broken.setattr(jwt, "issue", lambda user: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                jwt.rotate(refresh=pair.refresh)
        assert jwt.rotate(refresh=pair.refresh)

    def test_second_of_two_concurrent_refreshes_is_401(self, post, pair, monkeypatch):
        monkeypatch.setattr(RefreshToken, "check_blacklist", lambda self: None)
        assert post("token/refresh", refresh=pair.refresh).status_code == 200
        answer = post("token/refresh", refresh=pair.refresh)
        assert answer.status_code == 401
        assert answer.json()["code"] == "token_not_valid"
        assert BlacklistedToken.objects.count() == 1
        assert OutstandingToken.objects.count() == 2

    def test_user_deleted_during_rotation_is_invalid_token(self, pair, monkeypatch):
        def issue(user):
            raise IntegrityError("violates foreign key constraint")

        monkeypatch.setattr(jwt, "issue", issue)
        with pytest.raises(InvalidToken):
            jwt.rotate(refresh=pair.refresh)


class TestLogout:
    def test_logout_is_204_and_ends_the_refresh_token(self, post, pair):
        answer = post("logout", refresh=pair.refresh)
        assert answer.status_code == 204
        assert answer.content == b""
        assert post("token/refresh", refresh=pair.refresh).status_code == 401

    def test_other_sessions_are_kept(self, post, pair, alice):
        other = jwt.issue(user=alice)
        post("logout", refresh=pair.refresh)
        assert post("token/refresh", refresh=other.refresh).status_code == 200

    def test_deactivated_user_can_log_out(self, post, pair, alice):
        alice.is_active = False
        alice.save()
        assert post("logout", refresh=pair.refresh).status_code == 204


class TestSpending:
    def refused(self, answer):
        assert answer.status_code == 401
        assert set(answer.json()) == {"detail", "code"}
        assert answer.json()["code"] == "token_not_valid"
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_refresh_token_works_once(self, post, pair, path):
        assert post(path, refresh=pair.refresh).status_code < 300
        self.refused(post(path, refresh=pair.refresh))

    @pytest.mark.parametrize("refresh", NONSENSE, ids=lambda refresh: ascii(refresh)[:20])
    def test_malformed_token_is_401(self, post, db, path, refresh):
        self.refused(post(path, refresh=refresh))

    def test_access_token_is_401(self, post, pair, path):
        self.refused(post(path, refresh=pair.access))

    def test_expired_token_is_401(self, post, alice, path):
        refresh = RefreshToken.for_user(alice)
        refresh.set_exp(lifetime=-timedelta(seconds=1))
        self.refused(post(path, refresh=str(refresh)))

    def test_altered_token_is_401(self, post, pair, path):
        head, body, signature = pair.refresh.split(".")
        body = base64.urlsafe_b64encode(base64.urlsafe_b64decode(body + "==") + b" ").decode()
        self.refused(post(path, refresh=f"{head}.{body.rstrip('=')}.{signature}"))

    def test_signed_token_that_was_never_issued_is_401(self, post, db, path):
        refresh = RefreshToken()
        refresh["user_id"] = str(uuid4())
        self.refused(post(path, refresh=str(refresh)))

    @pytest.mark.parametrize("refresh", ["", None, 1, [], "a\0b", "\ud800", "a" * 2001])
    def test_value_that_is_no_string_or_too_long_is_400(self, post, db, path, refresh):
        answer = post(path, refresh=refresh)
        assert answer.status_code == 400
        assert answer.json()["field"] == "refresh"
