"""The OpenAPI documentation of `/v1/videos`, in OpenAI's shapes."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema

from jobs.api.openai_schema_parts import (
    COMPLETED,
    FAILED,
    OPENAI_ORDER,
    QUEUED,
    DeletedVideoSerializer,
    JsonVideoSerializer,
    MultipartVideoSerializer,
    VideoListSerializer,
    VideoSerializer,
    problem,
    refused,
)
from jobs.api.openai_serializers import (
    NO_SUCH_VIDEO,
    SIZES,
    OpenAIContentQuerySerializer,
    OpenAIListQuerySerializer,
)
from jobs.api.schema_examples import ID, NO_TOKENS, PIXEL, THROTTLED, TOO_MANY
from jobs.api.schema_parts import JOB_ID, KEY, KEY_FAULT, OTHER_TYPE_FAULT, VIDEO
from videostudio.core.api.errors import NO_CREDENTIALS
from videostudio.core.api.fields import one_of
from videostudio.core.api.openapi import (
    JSON,
    answer,
    example,
    header,
    rate_limits,
    retry_after,
    sent,
)

UNAUTHORIZED = refused(
    401, "No valid API key or access token.", problem(NO_CREDENTIALS, "not_authenticated")
)
READ_ONLY = refused(
    403,
    "The API key has the scope `read`.",
    problem("This API key may only read.", "read_only_key"),
)
NOT_FOUND = refused(404, "You have no such video.", problem("Not found.", "not_found"))
UNKNOWN = refused(
    400, "An unknown query parameter.", problem("Unknown query parameter 'page'", "invalid", "page")
)
POLL_AFTER = header(
    "openai-poll-after-ms",
    "Milliseconds to wait before the next poll; only while the video is active.",
    200,
    type=OpenApiTypes.INT,
)

create = extend_schema(
    tags=["OpenAI format"],
    operation_id="createOpenAIVideo",
    summary="Create a video in OpenAI's format",
    description="As *Create a video*, with OpenAI's names `seconds`, `size` and `input_reference`. "
    "The other fields are those of our own API.",
    request={JSON: JsonVideoSerializer, "multipart/form-data": MultipartVideoSerializer},
    examples=[
        sent(OPENAI_ORDER, "A sample video from text", media_type=JSON),
        sent(
            OPENAI_ORDER | {"input_reference": PIXEL},
            "A sample video from an image",
            media_type=JSON,
        ),
        sent(OPENAI_ORDER, "A sample video from text", media_type="multipart/form-data"),
    ],
    parameters=[
        KEY,
        POLL_AFTER,
        retry_after("Seconds to wait before the next attempt.", 429, 503),
        header("Idempotency-Replayed", "`true` if the key was used before.", 200),
        *rate_limits(200, 400, 402, 404, 413, 415, 422, 429, 503),
    ],
    responses={
        200: answer(VideoSerializer, "The new video.", QUEUED, "A video in the queue"),
        400: refused(
            400,
            "The request is invalid: `param` is the first field at fault.",
            problem(f"Size must be {one_of(SIZES)}", "invalid", "size"),
        ),
        401: UNAUTHORIZED,
        402: refused(402, "Not enough tokens; nothing was charged.", NO_TOKENS),
        403: READ_ONLY,
        404: NOT_FOUND,
        413: refused(
            413,
            "The body, or an image, is too large.",
            problem("The request body must be at most 60 MB", "too_large"),
        ),
        415: refused(
            415, "Another media type.", problem(OTHER_TYPE_FAULT, "unsupported_media_type")
        ),
        422: refused(
            422,
            "The key was used with other content.",
            problem(KEY_FAULT, "idempotency_mismatch", "Idempotency-Key"),
        ),
        429: refused(429, "Too many active videos, or requests.", TOO_MANY, THROTTLED),
        503: refused(
            503,
            "Google does not offer the model; nothing was charged.",
            problem("Google does not offer this model at the moment.", "model_unavailable"),
        ),
    },
)
retrieve = extend_schema(
    tags=["OpenAI format"],
    operation_id="getOpenAIVideo",
    summary="Get a video in OpenAI's format",
    description="The video as it is now. While it is active `openai-poll-after-ms` is sent.",
    parameters=[JOB_ID, POLL_AFTER],
    responses={
        200: OpenApiResponse(
            VideoSerializer,
            "The video.",
            examples=[example(each["status"], each) for each in (QUEUED, COMPLETED, FAILED)],
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        404: NOT_FOUND,
    },
)
list_videos = extend_schema(
    tags=["OpenAI format"],
    operation_id="listOpenAIVideos",
    summary="List your videos in OpenAI's format",
    description="Your videos, newest first. For the next page send `last_id` as `after`.",
    parameters=[OpenAIListQuerySerializer],
    responses={
        200: answer(
            VideoListSerializer,
            "A page of your videos.",
            {
                "object": "list",
                "data": [COMPLETED],
                "has_more": True,
                "first_id": ID,
                "last_id": ID,
            },
            "The first of several pages",
        ),
        400: refused(
            400,
            "The query is invalid; `after` must be a video of yours that still exists.",
            problem(NO_SUCH_VIDEO, "invalid", "after"),
        ),
        401: UNAUTHORIZED,
    },
)
content = extend_schema(
    tags=["OpenAI format"],
    operation_id="downloadOpenAIVideo",
    summary="Download the video, or its poster",
    description="Redirects to the file, which needs no login and supports Range requests.",
    parameters=[
        JOB_ID,
        OpenAIContentQuerySerializer,
        header("Location", "The file's URL.", 302),
        retry_after("Seconds to wait before the next attempt.", 409),
    ],
    responses={
        (200, "video/mp4"): VIDEO,
        (200, "image/jpeg"): VIDEO,
        (200, "application/octet-stream"): VIDEO,  # openapi-python-client knows no other
        302: OpenApiResponse(description="The file is at `Location`."),
        400: refused(
            400,
            "The video failed or was cancelled.",
            problem("There is no video: the job ended as FAILED", "not_ready"),
        ),
        401: UNAUTHORIZED,
        404: NOT_FOUND,
        409: refused(
            409,
            "The video is not completed yet.",
            problem("The video is not ready yet", "not_ready"),
        ),
        410: refused(
            410, "The video was removed.", problem("The video was removed.", "video_removed")
        ),
    },
)
destroy = extend_schema(
    tags=["OpenAI format"],
    operation_id="deleteOpenAIVideo",
    summary="Delete a video in OpenAI's format",
    description="Deletes the video and its job. An active one is cancelled first.",
    parameters=[JOB_ID],
    responses={
        200: answer(
            DeletedVideoSerializer,
            "Deleted.",
            {"id": ID, "object": "video.deleted", "deleted": True},
            "Deleted",
        ),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: READ_ONLY,
        404: NOT_FOUND,
    },
)
