from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection
from rest_framework.test import APIRequestFactory

from accounts.api.views import RegisterView
from accounts.models import User
from tests.api import PASSWORD

ALICE = {"username": "alice", "email": "alice@example.com", "password": PASSWORD}
NAME_TAKEN = "A user with that username already exists"
ADDRESS_TAKEN = "A user with that e-mail address already exists"

NO_STRINGS: list[Any] = [None, 1, True, 1.5, ["alice"], {"a": 1}, [[[]]]]
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
    def test_answers_201_with_the_user_as_me_shows_it(self, post, me, path):
        answer = post(path, **ALICE)
        assert answer.status_code == 201
        user = answer.json()
        assert set(user) == {"id", "username", "email", "dateJoined"}
        assert UUID(user["id"])
        assert (user["username"], user["email"]) == ("alice", "alice@example.com")
        assert user["dateJoined"].endswith("Z")
        access = post("token", username="alice", password=PASSWORD).json()["access"]
        assert me(access).json() == user

    def test_takes_a_form_as_well(self, anonymous):
        body = "username=alice&email=alice@example.com&password=tall+ships+at+anchor"
        type_ = "application/x-www-form-urlencoded"
        answer = anonymous.post("/api/v1/auth/register", body, content_type=type_)
        assert answer.status_code == 201
        assert User.objects.get().check_password(PASSWORD)

    def test_keeps_a_password_as_it_was_typed(self, post):
        assert post("register", **ALICE | {"password": f"  {PASSWORD} "}).status_code == 201
        assert post("token", username="alice", password=PASSWORD).status_code == 401
        assert post("token", username="alice", password=f"  {PASSWORD} ").status_code == 200

    def test_is_not_stopped_by_an_old_access_token(self, post):
        answer = post("register", headers={"authorization": "Bearer gone"}, **ALICE)
        assert answer.status_code == 201

    def test_makes_no_staff(self, post):
        answer = post("register", is_staff=True, is_superuser=True, **ALICE)
        assert answer.status_code == 400
        assert {fault["code"] for fault in answer.json()["errors"]} == {"unknown_field"}
        assert not User.objects.exists()

    def test_is_403_where_registration_is_closed(self, post, settings):
        settings.REGISTRATION_OPEN = False
        answer = post("register", **ALICE)
        assert answer.status_code == 403
        assert answer.json() == {
            "detail": "Registration is closed.",
            "code": "registration_closed",
        }
        assert not User.objects.exists()

    def test_refuses_a_name_that_differs_in_case_only(self, post, alice):
        answer = post("register", **ALICE | {"username": "ALICE", "email": "other@example.com"})
        assert answer.status_code == 400
        assert answer.json() == {
            "detail": NAME_TAKEN,
            "code": "invalid",
            "field": "username",
            "errors": [{"field": "username", "message": NAME_TAKEN, "code": "unique"}],
        }

    @pytest.mark.parametrize("email", ["ALICE@example.com", "alice@EXAMPLE.com"])
    def test_refuses_an_address_that_differs_in_case_only(self, post, alice, email):
        answer = post("register", **ALICE | {"username": "other", "email": email})
        assert answer.status_code == 400
        assert answer.json()["errors"] == [
            {"field": "email", "message": ADDRESS_TAKEN, "code": "unique"}
        ]

    def test_tells_of_name_and_address_at_once(self, post, alice):
        faults = post("register", **ALICE).json()["errors"]
        assert [fault["field"] for fault in faults] == ["username", "email"]

    def test_takes_two_spellings_of_a_name_for_one(self, post, alice):
        answer = post(
            "register", **ALICE | {"username": "ａｌｉｃｅ", "email": "other@example.com"}
        )
        assert answer.status_code == 400
        assert answer.json()["field"] == "username"


class TestBadInput:
    @pytest.mark.parametrize(
        ("field", "value"),
        [(field, value) for field, values in BAD.items() for value in values],
        ids=lambda part: ascii(part)[:40],
    )
    def test_is_400_and_names_the_field(self, post, field, value):
        answer = post("register", **ALICE | {field: value})
        assert answer.status_code == 400, answer.content
        assert answer.json()["field"] == field
        assert answer.json()["errors"]
        assert not User.objects.exists()

    @pytest.mark.parametrize("missing", list(ALICE))
    def test_is_400_where_a_field_is_missing(self, post, missing):
        answer = post("register", **{k: v for k, v in ALICE.items() if k != missing})
        assert answer.status_code == 400
        assert answer.json()["field"] == missing
        assert answer.json()["errors"][0]["code"] == "required"

    @pytest.mark.parametrize("path", ["register", "token", "token/refresh", "logout"])
    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"null", b"1", b'"a"', b"\xff\xfe", b"[" * 5000, b'{"a": NaN}']
    )
    def test_is_400_where_the_body_is_no_object(self, anonymous, path, body):
        answer = anonymous.post(f"/api/v1/auth/{path}", body, content_type="application/json")
        assert answer.status_code == 400
        assert set(answer.json()) == {"detail", "code", "field", "errors"}

    @pytest.mark.parametrize("path", ["register", "token", "token/refresh", "logout"])
    @pytest.mark.parametrize("charset", ["utf-8", "utf-16", "base64", "undefined", "nonsense"])
    @pytest.mark.parametrize(
        "body", [b"username=%00", b"refresh=%ff%00&username=%ed%a0%80", b"&=&"]
    )
    def test_refuses_a_broken_form(self, anonymous, path, charset, body):
        type_ = f"application/x-www-form-urlencoded; charset={charset}"
        answer = anonymous.post(f"/api/v1/auth/{path}", body, content_type=type_)
        assert answer.status_code in (400, 401)

    def test_is_400_for_a_form_of_too_many_fields(self, anonymous):
        body = "&".join(f"a{n}=1" for n in range(1500))
        type_ = "application/x-www-form-urlencoded"
        assert anonymous.post("/api/v1/auth/token", body, content_type=type_).status_code == 400

    def test_is_413_for_a_form_over_the_limit(self, anonymous, settings):
        body = "username=" + "a" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        type_ = "application/x-www-form-urlencoded"
        assert anonymous.post("/api/v1/auth/token", body, content_type=type_).status_code == 413

    def test_is_415_for_another_type(self, anonymous):
        answer = anonymous.post("/api/v1/auth/token", "<a/>", content_type="text/xml")
        assert answer.status_code == 415


class TestWelcome:
    @pytest.fixture
    def register(self, anonymous):
        """Registers Alice at a view with this welcome."""

        def register(welcome):
            request = APIRequestFactory().post("/", ALICE, format="json")
            return RegisterView.as_view(welcome=welcome)(request)

        return register

    def test_is_called_with_the_new_user(self, register):
        welcomed = []
        assert register(lambda user: welcomed.append(user)).status_code == 201
        assert welcomed == [User.objects.get()]

    def test_is_part_of_the_transaction(self, register):
        def fails(user):
            assert User.objects.filter(pk=user.pk).exists()
            raise RuntimeError("no welcome")

        with pytest.raises(RuntimeError):
            register(fails)
        assert not User.objects.exists()

    def test_has_its_own_faults(self, register):
        def fails(user):
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO accounts_user SELECT * FROM accounts_user")

        with pytest.raises(IntegrityError):
            register(fails)
        assert not User.objects.exists()
