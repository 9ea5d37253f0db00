"""The OpenAPI documentation of the balance and the usage."""

from drf_spectacular.utils import extend_schema

from jobs.api.serializers import TokensSerializer, UsageQuerySerializer, UsageSerializer
from videostudio.core.api.openapi import UNAUTHORIZED, UNKNOWN, answer, at_fault

retrieve = extend_schema(
    operation_id="getTokens",
    summary="Get your token balance",
    description="Your balance, which is always the sum of your entries, the prices, and how many "
    "jobs you may have active at a time.",
    responses={
        200: answer(
            TokensSerializer,
            "The balance and the prices.",
            {
                "availableTokens": 450,
                "costs": {"video_generation": 50},
                "activeJobs": 1,
                "activeJobsLimit": 3,
            },
            "Nine more videos",
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
    },
)
usage = extend_schema(
    operation_id="getTokenUsage",
    summary="Get your usage by day",
    description="Jobs created, and tokens charged and refunded, for each UTC day, today first.",
    parameters=[UsageQuerySerializer],
    responses={
        200: answer(
            UsageSerializer,
            "One row for each day.",
            {"days": [{"date": "2026-01-15", "jobs": 3, "charges": 150, "refunds": 50}]},
            "Three jobs, one refunded",
        ),
        400: at_fault(
            "The query is invalid.",
            code="invalid",
            faults=[("days", "Days must be a whole number from 1 to 90", "max_value")],
        ),
        401: UNAUTHORIZED,
    },
)
