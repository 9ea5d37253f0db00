"""The OpenAPI documentation of the accounts, and of error responses in all apps.

Nothing here changes the service's behaviour. A test checks that every operation, parameter and
field has a description.
"""

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from accounts.api.serializers import (
    CredentialsSerializer,
    InvalidSerializer,
    ProblemSerializer,
    RefreshSerializer,
    RegistrationSerializer,
    TokenPairSerializer,
    UserSerializer,
)


class AccessTokenScheme(SimpleJWTScheme):
    """simplejwt's scheme, with a description of where the token comes from."""

    target_class = "accounts.api.authentication.AccessTokenAuthentication"

    def get_security_definition(self, auto_schema: Any) -> Any:
        text = "The `access` of `POST /api/v1/auth/token`, without `Bearer`. Valid for an hour."
        return super().get_security_definition(auto_schema) | {"description": text}


def example(name: str, value: Any, **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, **options)


def sent(value: Any, name: str = "Request", **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True, **options)


def answer(serializer: Any, description: str, value: Any) -> OpenApiResponse:
    return OpenApiResponse(serializer, description, examples=[example("Response", value)])


def refused(description: str, **details: str) -> OpenApiResponse:
    """An error response with `detail` and `code`; `details` maps codes to texts."""
    examples = [example(code, {"detail": text, "code": code}) for code, text in details.items()]
    return OpenApiResponse(ProblemSerializer, description, examples=examples)


def at_fault(description: str, *, code: str, faults: list[tuple[str | None, str, str]]) -> Any:
    """The response to an invalid request; each of `faults` is a field, a message and a code."""
    errors = [{"field": field, "message": text, "code": code} for field, text, code in faults]
    value = {"detail": faults[0][1], "code": code, "field": faults[0][0], "errors": errors}
    return OpenApiResponse(InvalidSerializer, description, examples=[example(code, value)])


def header(name: str, description: str, *statuses: int) -> OpenApiParameter:
    """A header of the responses with `statuses`."""
    return OpenApiParameter(
        name, location="header", response=list(statuses), description=description
    )


UNAUTHORIZED = refused(
    "No valid access token: refresh it, or log in.",
    not_authenticated="Authentication credentials were not provided.",
    token_not_valid="Given token not valid for any token type",
)
THROTTLED = refused(
    "Too many requests.", throttled="Request was throttled. Expected available in 42 seconds."
)
UNKNOWN = at_fault(
    "An unknown query parameter or field.",
    code="invalid",
    faults=[("page", "Unknown query parameter 'page'", "unknown_field")],
)
RETRY_AFTER = header("Retry-After", "Seconds to wait before the next attempt.", 429)

# ---- Accounts ----

ACCOUNT = {
    "id": "7d3f0c7e-2c86-4f0b-9a52-5f2f7f2c9b1d",
    "username": "alice",
    "email": "alice@example.com",
    "dateJoined": "2026-01-15T10:30:00Z",
}
CREDENTIALS = {"username": "alice", "password": "correct-horse-battery"}
PAIR = {"access": "eyJhbGciOiJIUzI1NiIsInR5…", "refresh": "eyJhbGciOiJIUzI1NiIsInR5…"}
REFRESH = sent({"refresh": PAIR["refresh"]})
REQUIRED = at_fault(
    "The request is invalid: `field` is the first error's, `errors` lists all.",
    code="invalid",
    faults=[("username", "Username is required", "required")],
)
SPENT = refused(
    "The refresh token is not valid any more.", token_not_valid="Token is spent or unknown"
)

register = extend_schema(
    summary="Register",
    description="Creates an account. Name and e-mail address are unique, whatever their case.",
    request=RegistrationSerializer,
    examples=[sent(CREDENTIALS | {"email": "alice@example.com"})],
    parameters=[RETRY_AFTER],
    responses={
        201: answer(UserSerializer, "The new account.", ACCOUNT),
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
    summary="Log in",
    description="Returns an access token, valid for an hour, and a refresh token for the next "
    "pair. Copy `access`, press **Authorize** above and paste it.",
    request=CredentialsSerializer,
    examples=[sent(CREDENTIALS)],
    parameters=[RETRY_AFTER],
    responses={
        200: answer(TokenPairSerializer, "A pair of tokens.", PAIR),
        400: REQUIRED,
        401: refused(
            "Wrong name or password, or the account is deactivated.",
            no_active_account="No active account with this username and password.",
        ),
        429: THROTTLED,
    },
)
refresh = extend_schema(
    summary="Refresh",
    description="Returns a new pair of tokens. A refresh token works only once: store the new one.",
    request=RefreshSerializer,
    examples=[REFRESH],
    parameters=[RETRY_AFTER],
    responses={
        200: answer(TokenPairSerializer, "The next pair.", PAIR),
        400: REQUIRED,
        401: SPENT,
        429: THROTTLED,
    },
)
log_out = extend_schema(
    summary="Log out",
    description="Invalidates the refresh token. Access tokens remain valid until they expire.",
    request=RefreshSerializer,
    examples=[REFRESH],
    responses={204: OpenApiResponse(description="Done."), 400: REQUIRED, 401: SPENT},
)
me = extend_schema(
    summary="Get your account",
    description="The account that the access token belongs to.",
    responses={
        200: answer(UserSerializer, "Your account.", ACCOUNT),
        400: UNKNOWN,
        401: UNAUTHORIZED,
    },
)
