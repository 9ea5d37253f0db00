"""What the OpenAPI document says of the accounts, and of refusals in every room.

It is for people: nothing here changes what the service does. Examples are what it answers; a test
sees to it that no operation, parameter or field goes without a word.
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
    """simplejwt's, with a word on where the token comes from."""

    target_class = "accounts.api.authentication.AccessTokenAuthentication"

    def get_security_definition(self, auto_schema: Any) -> Any:
        said = "The `access` of `POST /api/v1/auth/token`, without `Bearer`. Good for an hour."
        return super().get_security_definition(auto_schema) | {"description": said}


def example(name: str, value: Any, **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, **options)


def sent(value: Any, name: str = "A request", **options: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True, **options)


def answer(serializer: Any, description: str, value: Any) -> OpenApiResponse:
    return OpenApiResponse(serializer, description, examples=[example("An answer", value)])


def refused(description: str, **sayings: str) -> OpenApiResponse:
    """An answer of `detail` and `code`; each of `sayings` is one of its codes."""
    examples = [example(code, {"detail": said, "code": code}) for code, said in sayings.items()]
    return OpenApiResponse(ProblemSerializer, description, examples=examples)


def at_fault(description: str, *, code: str, faults: list[tuple[str | None, str, str]]) -> Any:
    """An answer that finds fault with the request; `faults` are field, message and code."""
    errors = [{"field": field, "message": said, "code": code} for field, said, code in faults]
    value = {"detail": faults[0][1], "code": code, "field": faults[0][0], "errors": errors}
    return OpenApiResponse(InvalidSerializer, description, examples=[example(code, value)])


def header(name: str, description: str, *statuses: int) -> OpenApiParameter:
    """A header of the answers with `statuses`."""
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
    "A query parameter, or a field, that this call does not know.",
    code="invalid",
    faults=[("page", "Unknown query parameter 'page'", "unknown_field")],
)
RETRY_AFTER = header("Retry-After", "Seconds to wait before the next attempt.", 429)

# ---- The accounts' own ----

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
    "A fault in the request: `field` is the first, `errors` are all.",
    code="invalid",
    faults=[("username", "Username is required", "required")],
)
SPENT = refused(
    "The refresh token is not good any more.", token_not_valid="Token is spent or unknown"
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
            "A fault in the request, or the name is taken.",
            code="invalid",
            faults=[("username", "A user with that username already exists", "unique")],
        ),
        403: refused("Nobody may register.", registration_closed="Registration is closed."),
        429: THROTTLED,
    },
)
log_in = extend_schema(
    summary="Log in",
    description="An access token for an hour, and a refresh token to get the next pair with. Copy "
    "`access`, press **Authorize** above and paste it.",
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
    description="A new pair of tokens. A refresh token works once: keep the new one.",
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
    description="The refresh token stops working; an access token runs out by itself.",
    request=RefreshSerializer,
    examples=[REFRESH],
    responses={204: OpenApiResponse(description="Done."), 400: REQUIRED, 401: SPENT},
)
me = extend_schema(
    summary="Who am I",
    description="The account that the access token belongs to.",
    responses={
        200: answer(UserSerializer, "Your account.", ACCOUNT),
        400: UNKNOWN,
        401: UNAUTHORIZED,
    },
)
