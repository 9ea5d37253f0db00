"""The OpenAPI documentation of balances and entries."""

from drf_spectacular.utils import extend_schema

from tokens_ledger.api.serializers import EntriesSerializer, TokensSerializer
from videostudio.core.api.openapi import UNAUTHORIZED, UNKNOWN, answer, at_fault
from videostudio.core.api.pagination import PageSerializer

ENTRY = {
    "id": 12,
    "kind": "charge",
    "amount": -50,
    "balanceAfter": 450,
    "reference": "550e8400-e29b-41d4-a716-446655440000",
    "note": "video_generation",
    "createdAt": "2026-01-15T10:30:00Z",
}
BAD_LIMIT = at_fault(
    "The query is invalid.",
    code="invalid",
    faults=[("limit", "Limit must be a whole number from 1 to 100", "max_value")],
)

retrieve = extend_schema(
    summary="Get your token balance",
    description="Your balance, which is always the sum of your entries, and the prices.",
    responses={
        200: answer(
            TokensSerializer,
            "The balance and the prices.",
            {"availableTokens": 450, "costs": {"video_generation": 50}},
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
    },
)
entries = extend_schema(
    summary="List the entries of your balance",
    description="Grants, charges, refunds and adjustments, newest first. Nobody can change them.",
    parameters=[PageSerializer],
    responses={
        200: answer(EntriesSerializer, "A page of your entries.", {"entries": [ENTRY], "total": 2}),
        400: BAD_LIMIT,
        401: UNAUTHORIZED,
    },
)
