"""Each kind of 401 says what is wrong (contract 3)."""

from datetime import UTC, datetime, timedelta

import pytest
from rest_framework_simplejwt.tokens import AccessToken

from accounts import jwt, jwt_keys
from tests.api import PASSWORD

ME = "/api/v1/auth/me"
SEND = "Send the header 'Authorization: Bearer <API key or access token>'."
SCHEME = "Authorization must be 'Bearer <API key or access token>'."

FOREIGN = "This is neither an access token nor an API key of this service."


def expired(user):
    token = AccessToken.for_user(user)
    token.set_exp(lifetime=timedelta(seconds=-1))
    return str(token)


@pytest.fixture
def refused(anonymous):
    """The code, sentence and challenge of the answer to this header."""

    def refused(header=None):
        headers = {} if header is None else {"authorization": header}
        answer = anonymous.get(ME, headers=headers)
        assert answer.status_code == 401
        assert set(answer.json()) == {"detail", "code"}
        return answer.json()["code"], answer.json()["detail"], answer["WWW-Authenticate"]

    return refused


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR  "])
def test_scheme_is_read_in_any_case(anonymous, alice, scheme):
    header = f"{scheme} {jwt.issue(user=alice).access}"
    assert anonymous.get(ME, headers={"authorization": header}).status_code == 200


def test_tokens_of_a_machine_whose_clock_is_ahead_are_valid(anonymous, alice):
    """By the second that docs/operations.md allows."""
    ahead = datetime.now(UTC) + timedelta(seconds=1)
    refresh = jwt_keys.RefreshToken.for_user(alice)
    access = refresh.access_token
    for token in (refresh, access):
        token.set_iat(at_time=ahead)
    header = f"Bearer {access}"
    assert anonymous.get(ME, headers={"authorization": header}).status_code == 200
    answer = anonymous.post("/api/v1/auth/token/refresh", {"refresh": str(refresh)}, format="json")
    assert answer.status_code == 200


def test_missing_header_says_what_to_send(refused):
    assert refused() == ("not_authenticated", SEND, 'Bearer realm="api"')


@pytest.mark.parametrize("header", ["eyJhbGciOi", "Token x", "Basic YTpi", "Bearer", "Bearer ", ""])
def test_other_scheme_is_named(refused, header):
    assert refused(header) == ("not_authenticated", SCHEME, 'Bearer realm="api"')


@pytest.mark.parametrize(
    ("token", "code", "sentence"),
    [
        (expired, "token_not_valid", "The access token has expired: refresh it or log in again."),
        (
            lambda user: jwt.issue(user=user).refresh,
            "token_not_valid",
            "This is a refresh token: send the access token instead.",
        ),
        (
            lambda user: "undefined",
            "token_not_valid",
            FOREIGN,
        ),
        (lambda user: "a b", "token_not_valid", FOREIGN),
        (lambda user: "a.b.c", "token_not_valid", FOREIGN),
    ],
)
def test_bad_token_says_why(refused, alice, token, code, sentence):
    challenge = 'Bearer realm="api", error="invalid_token"'
    assert refused(f"Bearer {token(alice)}") == (code, sentence, challenge)


def test_token_from_before_a_change_of_password_is_revoked(refused, alice):
    access = jwt.issue(user=alice).access
    alice.set_password(PASSWORD + "!")
    alice.save()
    code, sentence, _ = refused(f"Bearer {access}")
    assert (code, sentence) == ("password_changed", "The user's password has been changed.")
