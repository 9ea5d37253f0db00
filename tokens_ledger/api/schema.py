"""What the OpenAPI document says of the tokens."""

from drf_spectacular.utils import extend_schema

from accounts.api.schema import UNAUTHORIZED, UNKNOWN, answer, at_fault
from tokens_ledger.api.serializers import EntriesSerializer, TokensSerializer
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
    "A fault in the query.",
    code="invalid",
    faults=[("limit", "Limit must be a whole number from 1 to 100", "max_value")],
)

retrieve = extend_schema(
    summary="Your tokens, and what things cost",
    description="How many tokens can be spent now. The balance is always the sum of the entries.",
    responses={
        200: answer(
            TokensSerializer,
            "Your balance, and the price list.",
            {"availableTokens": 450, "costs": {"video_generation": 50}},
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
    },
)
entries = extend_schema(
    summary="How your tokens came and went",
    description="What was granted, charged and given back, newest first. Nobody can change these.",
    parameters=[PageSerializer],
    responses={
        200: answer(EntriesSerializer, "A part of the entries.", {"entries": [ENTRY], "total": 2}),
        400: BAD_LIMIT,
        401: UNAUTHORIZED,
    },
)
