"""The OpenAPI documentation of the accounts, the passwords and the API keys."""

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.utils import OpenApiResponse, extend_schema

from accounts.api import key_serializers, serializers
from videostudio.core.api.openapi import answer, at_fault, refused, sent


class BearerScheme(SimpleJWTScheme):
    """simplejwt's scheme, with a description of where the credential comes from."""

    target_class = "accounts.api.authentication.BearerAuthentication"

    def get_security_definition(self, auto_schema: Any) -> Any:
        text = (
            "An API key (`vsk_…`) of `POST /api/v1/keys`, or the `access` of "
            "`POST /api/v1/auth/token`, which is valid for an hour; both without `Bearer`."
        )
        return super().get_security_definition(auto_schema) | {"description": text}


ACCOUNT = {
    "id": "7d3f0c7e-2c86-4f0b-9a52-5f2f7f2c9b1d",
    "username": "alice",
    "email": "alice@example.com",
    "dateJoined": "2026-01-15T10:30:00Z",
}
PASSWORD, NEW_PASSWORD = "correct-horse-battery", "tall ships at anchor"
CREDENTIALS = {"username": "alice", "password": PASSWORD}
PAIR = {"access": "eyJhbGciOiJIUzI1NiIsInR5…", "refresh": "eyJhbGciOiJIUzI1NiIsInR5…"}
REFRESH = {"refresh": PAIR["refresh"]}
INVALID = "The request is invalid: `field` is the first error's, `errors` lists all."
NO_REFRESH = at_fault(INVALID, ("refresh", "Refresh is required", "required"))
SPENT = refused(
    "The refresh token is not valid.",
    token_not_valid="This refresh token was used before, or revoked: log in again.",
)

# ---- Accounts ----

register = extend_schema(
    operation_id="register",
    summary="Register",
    description="Creates an account. Name and e-mail address are unique, ignoring case.",
    request=serializers.RegisterSerializer,
    examples=[sent(CREDENTIALS | {"email": "alice@example.com"}, "Alice registers")],
    responses={
        201: answer(serializers.AccountSerializer, "The new account.", ACCOUNT),
        400: at_fault(
            "The request is invalid, or the name is taken.",
            ("username", "A user with that username already exists", "unique"),
        ),
        403: refused("Registration is closed.", registration_closed="Registration is closed."),
    },
)
log_in = extend_schema(
    operation_id="logIn",
    summary="Log in",
    description="Returns an access token, valid for an hour, and a refresh token for the next "
    "pair. Copy `access`, press **Authorize** above and paste it. A program should use an API key.",
    request=serializers.LogInSerializer,
    examples=[sent(CREDENTIALS, "Alice logs in")],
    responses={
        200: answer(serializers.TokenPairSerializer, "A pair of tokens.", PAIR),
        400: at_fault(INVALID, ("username", "Username is required", "required")),
        401: refused(
            "Wrong name or password, or the account is deactivated.",
            no_active_account="No active account with this username and password.",
        ),
    },
)
refresh = extend_schema(
    operation_id="refreshTokens",
    summary="Refresh",
    description="Returns a new pair of tokens. A refresh token works only once: store the new one.",
    request=serializers.RefreshTokenSerializer,
    examples=[sent(REFRESH, "A refresh token")],
    responses={
        200: answer(serializers.TokenPairSerializer, "The next pair.", PAIR),
        400: NO_REFRESH,
        401: SPENT,
    },
)
log_out = extend_schema(
    operation_id="logOut",
    summary="Log out",
    description="Invalidates the refresh token. Access tokens remain valid until they expire.",
    request=serializers.RefreshTokenSerializer,
    examples=[sent(REFRESH, "A refresh token")],
    responses={204: OpenApiResponse(description="Done."), 400: NO_REFRESH, 401: SPENT},
)
me = extend_schema(
    operation_id="getAccount",
    summary="Get your account",
    description="The account that the access token belongs to.",
    responses={200: answer(serializers.AccountSerializer, "Your account.", ACCOUNT)},
)
delete_account = extend_schema(
    operation_id="deleteAccount",
    summary="Delete your account",
    description="Active jobs are cancelled. Jobs with their prompts and videos, API keys, name and "
    "address are deleted; the ledger entries stay, without a name. This cannot be undone.",
    request=serializers.DeleteAccountSerializer,
    examples=[sent({"password": PASSWORD}, "Your password")],
    responses={
        204: OpenApiResponse(description="Deleted."),
        400: at_fault(
            "The password is wrong.", ("password", "This is not your password", "wrong_password")
        ),
    },
)

# ---- Passwords ----

NO_MAIL = refused("The operator has set up no mail server.", not_found="Not found.")

change_password = extend_schema(
    operation_id="changePassword",
    summary="Change your password",
    description="Returns a new pair of tokens. Every token issued before stops working; API keys "
    "stay valid. A wrong password counts as a failed login.",
    request=serializers.ChangePasswordSerializer,
    examples=[sent({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}, "A change")],
    responses={
        200: answer(serializers.TokenPairSerializer, "A pair of tokens.", PAIR),
        400: at_fault(
            "The current password is wrong, or the new one is too weak.",
            ("currentPassword", "This is not your password", "wrong_password"),
        ),
    },
)
request_reset = extend_schema(
    operation_id="requestPasswordReset",
    summary="Ask for a new password",
    description="Mails a link that works once, for an hour. The answer is the same whether there "
    "is an account with this address or not. At most one mail a minute goes to an address.",
    request=serializers.RequestResetSerializer,
    examples=[sent({"email": "alice@example.com"}, "A lost password")],
    responses={
        204: OpenApiResponse(description="Mailed, if there is such an account."),
        400: at_fault(
            "The request is invalid.", ("email", "Enter a valid email address", "invalid")
        ),
        404: NO_MAIL,
    },
)
reset_password = extend_schema(
    operation_id="resetPassword",
    summary="Set a new password",
    description="With the token of the mailed link. Every access and refresh token stops working; "
    "API keys stay valid.",
    request=serializers.ResetSerializer,
    examples=[
        sent(
            {"token": "7d3f0c7e2c864f0b9a525f2f7f2c9b1d.…", "newPassword": NEW_PASSWORD}, "A reset"
        )
    ],
    responses={
        204: OpenApiResponse(description="Set."),
        400: at_fault(
            "The link is no longer valid, or the password is too weak.",
            ("token", "This link was used, or is over an hour old", "invalid_link"),
        ),
        404: NO_MAIL,
    },
)

# ---- API keys ----

PREFIX = "vsk_Ab3dE6gH"
KEY = {
    "id": "0b0e3c4a-8f0f-4f6e-9d62-3b8f2f9f1c11",
    "name": "Nightly renderer",
    "prefix": PREFIX,
    "scope": "full",
    "dailyTokenLimit": 500,
    "createdAt": "2026-01-15T10:30:00Z",
    "lastUsedAt": None,
    "expiresAt": "2027-01-01T00:00:00Z",
}
REQUEST = {name: KEY[name] for name in ("name", "scope", "dailyTokenLimit", "expiresAt")}

create_key = extend_schema(
    operation_id="createApiKey",
    summary="Create an API key",
    description="Returns a key for a program, to send wherever an access token is accepted. The "
    "key is shown only in this response. A user has at most 20 keys, and makes at most 60 an hour.",
    request=key_serializers.NewKeySerializer,
    examples=[sent(REQUEST, "A limited key")],
    responses={
        201: answer(
            key_serializers.CreatedKeySerializer, "The new key.", KEY | {"key": f"{PREFIX}_…"}
        ),
        400: at_fault(INVALID, ("name", "Name is required", "required")),
        409: refused(
            "You have 20 keys.",
            too_many_keys="You have 20 keys, the most possible: revoke one first.",
        ),
    },
)
list_keys = extend_schema(
    operation_id="listApiKeys",
    summary="List your API keys",
    description="Newest first, without the revoked ones. The keys themselves are not shown.",
    responses={
        200: answer(
            key_serializers.KeyListSerializer,
            "Your keys.",
            {"keys": [KEY | {"lastUsedAt": "2026-01-15T11:00:00Z"}]},
        )
    },
)
revoke_key = extend_schema(
    operation_id="revokeApiKey",
    summary="Revoke an API key",
    description="The key stops working with the next request.",
    responses={204: OpenApiResponse(description="Revoked.")},
)
