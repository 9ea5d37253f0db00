from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIRequestFactory

from accounts.api.views import RegisterView
from accounts.models import User
from tests.api import PASSWORD

ALICE = {"username": "alice", "email": "alice@example.com", "password": PASSWORD}
NAME_TAKEN = "A user with that username already exists"
ADDRESS_TAKEN = "A user with that e-mail address already exists"

NO_STRINGS: list[Any] = [None, 1, True, ["alice"], {"a": 1}]
BAD: dict[str, list[Any]] = {
    "username": [
        *("", "  ", "a b", "a" * 151, "a\0b", "\ud800", "<b>", *NO_STRINGS),
        "ﷺ" * 150,  # 18 times as long once it is normalised
    ],
    "email": [
        *("", "alice", "a@b", "a\0@example.com", "\udfff@example.com", *NO_STRINGS),
        f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.com",
        "a@" + ".".join(["İ" * 60] * 3) + ".com",  # longer in lower case
    ],
    "password": [
        *("", "short", "password", "987654321", "alice@example", "x" * 129, *NO_STRINGS),
        *("abcdefg\0xyz", "abcdefg\ud800xyz", 1234567890123),
    ],
}


class TestRegister:
    @pytest.mark.parametrize("path", ["register", "register/"])
    def test_new_user_is_201_as_me_shows_it(self, post, me, path):
        answer = post(path, **ALICE)
        assert answer.status_code == 201
        user = answer.json()
        assert set(user) == {"id", "username", "email", "dateJoined"}
        assert UUID(user["id"])
        assert (user["username"], user["email"]) == ("alice", "alice@example.com")
        assert user["dateJoined"].endswith("Z")
        access = post("token", username="alice", password=PASSWORD).json()["access"]
        assert me(access).json() == user

    def test_urlencoded_form_is_accepted(self, anonymous):
        body = "username=alice&email=alice@example.com&password=tall+ships+at+anchor"
        type_ = "application/x-www-form-urlencoded"
        answer = anonymous.post("/api/v1/auth/register", body, content_type=type_)
        assert answer.status_code == 201
        assert User.objects.get().check_password(PASSWORD)

    def test_spaces_around_a_password_are_kept(self, post):
        assert post("register", **ALICE | {"password": f"  {PASSWORD} "}).status_code == 201
        assert post("token", username="alice", password=PASSWORD).status_code == 401
        assert post("token", username="alice", password=f"  {PASSWORD} ").status_code == 200

    def test_invalid_access_token_in_the_header_is_ignored(self, post):
        answer = post("register", headers={"authorization": "Bearer gone"}, **ALICE)
        assert answer.status_code == 201

    def test_staff_fields_are_unknown(self, post):
        answer = post("register", is_staff=True, is_superuser=True, **ALICE)
        assert answer.status_code == 400
        assert {fault["code"] for fault in answer.json()["errors"]} == {"unknown_field"}
        assert not User.objects.exists()

    def test_closed_registration_is_403(self, post, settings):
        settings.REGISTRATION_OPEN = False
        answer = post("register", **ALICE)
        assert answer.status_code == 403
        assert answer.json() == {
            "detail": "Registration is closed.",
            "code": "registration_closed",
        }
        assert not User.objects.exists()

    @pytest.mark.parametrize("name", ["ALICE", "ａｌｉｃｅ"])
    def test_taken_name_in_other_case_or_width_is_refused(self, post, alice, name):
        answer = post("register", **ALICE | {"username": name, "email": "other@example.com"})
        assert answer.status_code == 400
        assert answer.json() == {
            "detail": NAME_TAKEN,
            "code": "invalid",
            "field": "username",
            "errors": [{"field": "username", "message": NAME_TAKEN, "code": "unique"}],
        }

    def test_taken_address_in_other_case_is_refused(self, post, alice):
        answer = post("register", **ALICE | {"username": "other", "email": "ALICE@EXAMPLE.com"})
        assert answer.status_code == 400
        assert answer.json()["errors"] == [
            {"field": "email", "message": ADDRESS_TAKEN, "code": "unique"}
        ]

    def test_taken_name_and_address_are_reported_together(self, post, alice):
        faults = post("register", **ALICE).json()["errors"]
        assert [fault["field"] for fault in faults] == ["username", "email"]


@pytest.mark.once
class TestBadInput:
    @pytest.mark.parametrize(
        ("field", "value"),
        [(field, value) for field, values in BAD.items() for value in values],
        ids=lambda part: ascii(part)[:40],
    )
    def test_invalid_value_is_400_with_its_field(self, post, field, value):
        answer = post("register", **ALICE | {field: value})
        assert answer.status_code == 400, answer.content
        assert answer.json()["field"] == field
        assert answer.json()["errors"]
        assert not User.objects.exists()

    @pytest.mark.parametrize("missing", list(ALICE))
    def test_missing_field_is_400(self, post, missing):
        answer = post("register", **{k: v for k, v in ALICE.items() if k != missing})
        assert answer.status_code == 400
        assert answer.json()["field"] == missing
        assert answer.json()["errors"][0]["code"] == "required"

    @pytest.mark.parametrize("path", ["register", "token/refresh"])
    @pytest.mark.parametrize("charset", ["utf-8", "utf-16", "base64", "undefined", "nonsense"])
    def test_broken_form_is_refused(self, anonymous, path, charset):
        type_ = f"application/x-www-form-urlencoded; charset={charset}"
        for body in (b"username=%00", b"refresh=%ff%00&username=%ed%a0%80", b"&=&"):
            answer = anonymous.post(f"/api/v1/auth/{path}", body, content_type=type_)
            assert answer.status_code in (400, 401), body

    def test_form_with_too_many_fields_is_400(self, anonymous):
        body = "&".join(f"a{n}=1" for n in range(1500))
        type_ = "application/x-www-form-urlencoded"
        assert anonymous.post("/api/v1/auth/token", body, content_type=type_).status_code == 400

    def test_form_over_1_mb_is_413(self, anonymous, settings):
        body = "username=" + "a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        type_ = "application/x-www-form-urlencoded"
        assert anonymous.post("/api/v1/auth/token", body, content_type=type_).status_code == 413


class TestWelcome:
    @pytest.fixture
    def register(self, anonymous):
        """Registers Alice at a view with this welcome."""

        def register(welcome):
            request = APIRequestFactory().post("/", ALICE, format="json")
            return RegisterView.as_view(welcome=welcome)(request)

        return register

    def test_welcome_gets_the_new_user(self, register):
        welcomed = []
        assert register(lambda user: welcomed.append(user)).status_code == 201
        assert welcomed == [User.objects.get()]

    def test_failed_welcome_creates_no_user(self, register):
        def fails(user):
            assert User.objects.filter(pk=user.pk).exists()
            raise RuntimeError("no welcome")

        with pytest.raises(RuntimeError):
            register(fails)
        assert not User.objects.exists()


def test_errors_of_all_fields_are_reported_together(post, db):
    answer = post("register", username="a b", email="nobody", password="12345678")
    assert {error["field"] for error in answer.json()["errors"]} == {
        "username",
        "email",
        "password",
    }
