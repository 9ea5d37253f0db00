"""The OpenAPI documentation of the accounts."""

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.utils import OpenApiResponse, extend_schema

from accounts.api.password_serializers import DeleteAccountSerializer
from accounts.api.serializers import (
    CredentialsSerializer,
    RefreshSerializer,
    RegistrationSerializer,
    TokenPairSerializer,
    UserSerializer,
)
from videostudio.core.api.openapi import (
    JSON,
    RETRY_AFTER,
    SESSION_REQUIRED,
    UNAUTHORIZED,
    UNKNOWN,
    answer,
    at_fault,
    rate_limits,
    refused,
    sent,
)


class BearerScheme(SimpleJWTScheme):
    """simplejwt's scheme, with a description of where the credential comes from."""

    target_class = "accounts.api.authentication.BearerAuthentication"

    def get_security_definition(self, auto_schema: Any) -> Any:
        text = (
            "An API key (`vsk_…`) of `POST /api/v1/keys`, or the `access` of "
            "`POST /api/v1/auth/token`, which is valid for an hour; both without `Bearer`."
        )
        return super().get_security_definition(auto_schema) | {"description": text}


THROTTLED = refused(
    "Too many requests.",
    throttled="At most 20 log-ins, refreshes and registrations from one address are allowed in a "
    "minute. Try again in 60 seconds.",
)
OWN_PASSWORD_THROTTLED = refused(
    "Too many wrong passwords.",
    throttled="At most 10 failed log-ins with one name from one address are allowed in a minute. "
    "Try again in 60 seconds.",
)
ACCOUNT = {
    "id": "7d3f0c7e-2c86-4f0b-9a52-5f2f7f2c9b1d",
    "username": "alice",
    "email": "alice@example.com",
    "dateJoined": "2026-01-15T10:30:00Z",
}
CREDENTIALS = {"username": "alice", "password": "correct-horse-battery"}
PAIR = {"access": "eyJhbGciOiJIUzI1NiIsInR5…", "refresh": "eyJhbGciOiJIUzI1NiIsInR5…"}
REFRESH = {"refresh": PAIR["refresh"]}
INVALID = "The request is invalid: `field` is the first error's, `errors` lists all."
NO_REFRESH = at_fault(
    INVALID,
    code="invalid",
    faults=[("refresh", "Refresh is required", "required")],
)
SPENT = refused(
    "The refresh token is not valid.",
    token_not_valid="This refresh token was used before, or revoked: log in again.",
)

register = extend_schema(
    operation_id="register",
    summary="Register",
    description="Creates an account. Name and e-mail address are unique, whatever their case.",
    request={JSON: RegistrationSerializer},
    examples=[sent(CREDENTIALS | {"email": "alice@example.com"}, "Alice registers")],
    parameters=[RETRY_AFTER, *rate_limits(201, 400, 403, 429)],
    responses={
        201: answer(UserSerializer, "The new account.", ACCOUNT, "Alice's account"),
        400: at_fault(
            "The request is invalid, or the name is taken.",
            code="invalid",
            faults=[("username", "A user with that username already exists", "unique")],
        ),
        403: refused("Registration is closed.", registration_closed="Registration is closed."),
        429: THROTTLED,
    },
)
log_in = extend_schema(
    operation_id="logIn",
    summary="Log in",
    description="Returns an access token, valid for an hour, and a refresh token for the next "
    "pair. Copy `access`, press **Authorize** above and paste it. A program is better served by an "
    "API key.",
    request={JSON: CredentialsSerializer},
    examples=[sent(CREDENTIALS, "Alice logs in")],
    parameters=[RETRY_AFTER, *rate_limits(200, 400, 401, 429)],
    responses={
        200: answer(TokenPairSerializer, "A pair of tokens.", PAIR, "A pair of tokens"),
        400: at_fault(
            INVALID,
            code="invalid",
            faults=[("username", "Username is required", "required")],
        ),
        401: refused(
            "Wrong name or password, or the account is deactivated.",
            no_active_account="No active account with this username and password.",
        ),
        429: THROTTLED,
    },
)
refresh = extend_schema(
    operation_id="refreshTokens",
    summary="Refresh",
    description="Returns a new pair of tokens. A refresh token works only once: store the new one.",
    request={JSON: RefreshSerializer},
    examples=[sent(REFRESH, "A refresh token")],
    parameters=[RETRY_AFTER, *rate_limits(200, 400, 401, 429)],
    responses={
        200: answer(TokenPairSerializer, "The next pair.", PAIR, "The next pair of tokens"),
        400: NO_REFRESH,
        401: SPENT,
        429: THROTTLED,
    },
)
log_out = extend_schema(
    operation_id="logOut",
    summary="Log out",
    description="Invalidates the refresh token. Access tokens remain valid until they expire.",
    request={JSON: RefreshSerializer},
    examples=[sent(REFRESH, "A refresh token")],
    responses={204: OpenApiResponse(description="Done."), 400: NO_REFRESH, 401: SPENT},
)
delete_account = extend_schema(
    operation_id="deleteAccount",
    summary="Delete your account",
    request={JSON: DeleteAccountSerializer},
    examples=[sent({"password": "correct-horse-battery"}, "Your password")],
    description="Active jobs are cancelled. Jobs with "
    "their prompts, API keys, name and address are deleted; the entries stay, without a "
    "name. Stored videos stay, at their URLs. This cannot be undone.",
    responses={
        204: OpenApiResponse(description="Deleted."),
        400: at_fault(
            "The password is wrong.",
            code="invalid",
            faults=[("password", "This is not your password", "wrong_password")],
        ),
        401: UNAUTHORIZED,
        403: SESSION_REQUIRED,
        429: OWN_PASSWORD_THROTTLED,
    },
    parameters=[RETRY_AFTER, *rate_limits(204, 400, 429)],
)
me = extend_schema(
    operation_id="getAccount",
    summary="Get your account",
    description="The account that the access token belongs to.",
    responses={
        200: answer(UserSerializer, "Your account.", ACCOUNT, "Alice's account"),
        400: UNKNOWN,
        401: UNAUTHORIZED,
    },
)
