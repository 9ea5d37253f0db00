"""The OpenAPI documentation of the entries."""

from drf_spectacular.utils import extend_schema

from tokens_ledger.api.serializers import LedgerEntryListSerializer
from videostudio.core.api.openapi import answer, at_fault

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
    "The query is invalid.", ("limit", "Limit must be a whole number from 1 to 100", "max_value")
)

entries = extend_schema(
    operation_id="listTokenEntries",
    summary="List the entries of your balance",
    description="Grants, charges, refunds and adjustments, newest first. Nobody can change them.",
    responses={
        200: answer(
            LedgerEntryListSerializer,
            "A page of your entries.",
            {"entries": [ENTRY], "total": 2, "nextCursor": "WyIxMiIsMl0", "hasMore": True},
        ),
        400: BAD_LIMIT,
    },
)
