"""The OpenAPI documentation of the API keys."""

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from accounts.api.key_serializers import (
    CreatedKeySerializer,
    KeyListSerializer,
    NewKeySerializer,
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

create = extend_schema(
    operation_id="createApiKey",
    summary="Create an API key",
    description="Returns a key for a program, to send wherever an access token is accepted. The "
    "key is shown only in this response. A user has at most 20 keys, and makes at most 60 an hour.",
    request={JSON: NewKeySerializer},
    parameters=[RETRY_AFTER, *rate_limits(201, 400, 409, 429)],
    examples=[sent(REQUEST, "A limited key")],
    responses={
        201: answer(CreatedKeySerializer, "The new key.", KEY | {"key": f"{PREFIX}_…"}, "The key"),
        400: at_fault(
            "The request is invalid: `field` is the first error's, `errors` lists all.",
            code="invalid",
            faults=[("name", "Name is required", "required")],
        ),
        401: UNAUTHORIZED,
        403: SESSION_REQUIRED,
        409: refused(
            "You have 20 keys.",
            too_many_keys="You have 20 keys, the most possible: revoke one first.",
        ),
        429: refused(
            "Too many new keys.",
            throttled="At most 60 new API keys of one user are allowed in an hour. Try again in "
            "3600 seconds.",
        ),
    },
)
list_keys = extend_schema(
    operation_id="listApiKeys",
    summary="List your API keys",
    description="Newest first, without the revoked ones. The keys themselves are not shown.",
    responses={
        200: answer(
            KeyListSerializer,
            "Your keys.",
            {"keys": [KEY | {"lastUsedAt": "2026-01-15T11:00:00Z"}]},
            "One key",
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: SESSION_REQUIRED,
    },
)
revoke = extend_schema(
    operation_id="revokeApiKey",
    summary="Revoke an API key",
    description="The key stops working with the next request.",
    parameters=[
        OpenApiParameter(
            "id",
            str,
            location="path",
            description="The key's id. A malformed id is answered with 404.",
        )
    ],
    responses={
        204: OpenApiResponse(description="Revoked."),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: SESSION_REQUIRED,
        404: refused("You have no such key.", not_found="Not found."),
    },
)
