"""Responses and parameters that several calls of video jobs share, for the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from jobs.api.order_schema import JsonOrderSerializer, MultipartOrderSerializer
from videostudio.core.api.openapi import JSON, at_fault, header, refused

# ---- Responses ----

NOT_FOUND = refused("You have no such job.", not_found="Not found.")
ORDER_BODY = {JSON: JsonOrderSerializer, "multipart/form-data": MultipartOrderSerializer}
FORM_FAULTS: list[Any] = [
    ("aspect_ratio", "Unknown field 'aspect_ratio': did you mean 'aspectRatio'?", "unknown_field"),
    ("resolution", "Resolution must be '720p' or '1080p'", "invalid_choice"),
    ("aspectRatio", "Aspect ratio is required", "required"),
]
VIDEO = OpenApiResponse(OpenApiTypes.BINARY, "The video, for a client that follows the redirect.")
INVALID_ORDER = at_fault(
    "The request is invalid: `field` is the first error's, `errors` lists all.",
    code="invalid",
    faults=FORM_FAULTS,
)
INVALID_QUERY = at_fault(
    "The query is invalid.",
    code="invalid",
    faults=[
        (
            "status",
            "Unknown query parameter 'status': did you mean 'status_filter'?",
            "unknown_field",
        ),
        ("limit", "Limit must be a whole number from 1 to 100", "max_value"),
    ],
)
TOO_LARGE = at_fault(
    "The body, or an image, is too large.",
    code="too_large",
    faults=[(None, "The request body must be at most 60 MB", "too_large")],
)
OTHER_TYPE_FAULT = (
    "Send multipart/form-data or application/json or application/x-www-form-urlencoded, "
    "not 'text/plain'"
)
OTHER_TYPE = at_fault(
    "Another media type.",
    code="unsupported_media_type",
    faults=[(None, OTHER_TYPE_FAULT, "unsupported_media_type")],
)
QUOTE_THROTTLED = "At most 120 quotes of one user are allowed in a minute. Try again in 60 seconds."
KEY_FAULT = "This Idempotency-Key was used with other content"

# ---- Parameters ----

JOB_ID = OpenApiParameter(
    "id", str, location="path", description="The job's id. A malformed id is answered with 404."
)
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$", "minLength": 1, "maxLength": 255},
    location="header",
    description="1 to 255 visible ASCII characters, new for each video. For 24 hours the same key "
    "with the same content returns the same job, which is charged once.",
)
KNOWN = OpenApiParameter(
    "If-None-Match", location="header", description="The `ETag` of your last response."
)
POLL_AGAIN = "Seconds to wait before the next poll; only while the job is active."


def etag(*statuses: int) -> OpenApiParameter:
    return header("ETag", "Changes whenever the response does.", *statuses)
