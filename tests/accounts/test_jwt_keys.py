"""Tokens of a former or a future signing key."""

import jwt as pyjwt
import pytest
from rest_framework_simplejwt.tokens import AccessToken

OTHER = "a signing key that is not the present one"


@pytest.fixture
def signed_by_other_key():
    """The same token, signed by another key."""

    def sign(token, **changes):
        claims = pyjwt.decode(token, options={"verify_signature": False})
        return pyjwt.encode(claims | changes, OTHER, algorithm="HS256")

    return sign


def test_tokens_of_a_verifying_key_are_accepted(me, post, pair, settings, signed_by_other_key):
    access, refresh = map(signed_by_other_key, pair)
    assert me(access).status_code == 401
    assert post("token/refresh", refresh=refresh).status_code == 401
    settings.JWT_VERIFYING_KEYS = ["x" * 32, OTHER]
    assert me(access).status_code == 200
    assert me(pair.access).status_code == 200
    answer = post("token/refresh", refresh=refresh)
    assert answer.status_code == 200
    assert AccessToken(answer.json()["access"])  # signed by the present key
    assert post("token/refresh", refresh=refresh).status_code == 401


def test_expired_token_of_a_verifying_key_is_expired(me, pair, settings, signed_by_other_key):
    settings.JWT_VERIFYING_KEYS = [OTHER]
    answer = me(signed_by_other_key(pair.access, exp=1))
    assert "has expired" in answer.json()["detail"]
    assert me(pair.access + "x").status_code == 401
