"""The OpenAPI documentation of `/v1/videos`, in OpenAI's shapes.

Errors are given in our own form, which `videostudio.core.api.auto_schema` translates.
"""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema

from jobs.api import openai_schema_parts as parts
from jobs.api.openai_serializers import NO_SUCH_VIDEO, SIZES
from jobs.api.schema_examples import ID, PIXEL
from jobs.api.schema_parts import KEY, ORDER_REFUSALS, VIDEO, VIDEO_REMOVED, replayed
from videostudio.core.api.fields import one_of
from videostudio.core.api.openapi import (
    FORM,
    JSON,
    answer,
    at_fault,
    example,
    header,
    refused,
    retry_after,
    sent,
)

POLL_AFTER = header(
    "openai-poll-after-ms",
    "Milliseconds to wait before the next poll; only while the video is active.",
    200,
    type=OpenApiTypes.INT,
)

create = extend_schema(
    operation_id="createOpenAIVideo",
    summary="Create a video in OpenAI's format",
    description="As *Create a video*, with OpenAI's names `seconds`, `size` and `input_reference`. "
    "The other fields are those of our own API.",
    request={JSON: parts.JsonVideoSerializer, FORM: parts.MultipartVideoSerializer},
    examples=[
        sent(parts.ORDER, "A sample video from text", media_type=JSON),
        sent(
            parts.ORDER | {"input_reference": PIXEL},
            "A sample video from an image",
            media_type=JSON,
        ),
        sent(parts.ORDER, "A sample video from text", media_type=FORM),
    ],
    parameters=[KEY, POLL_AFTER, replayed(200)],
    responses={
        200: answer(parts.OpenAIVideoSerializer, "The new video.", parts.QUEUED),
        400: at_fault(
            "The request is invalid: `param` is the first field at fault.",
            ("size", f"Size must be {one_of(SIZES)}", "invalid"),
        ),
        **ORDER_REFUSALS,
    },
)
retrieve = extend_schema(
    operation_id="getOpenAIVideo",
    summary="Get a video in OpenAI's format",
    description="The video as it is now. While it is active `openai-poll-after-ms` is sent.",
    parameters=[POLL_AFTER],
    responses={
        200: OpenApiResponse(
            parts.OpenAIVideoSerializer,
            "The video.",
            examples=[
                example(each["status"], each)
                for each in (parts.QUEUED, parts.COMPLETED, parts.FAILED)
            ],
        )
    },
)
list_videos = extend_schema(
    operation_id="listOpenAIVideos",
    summary="List your videos in OpenAI's format",
    description="Your videos, newest first. For the next page send `last_id` as `after`.",
    responses={
        200: answer(
            parts.OpenAIVideoListSerializer,
            "A page of your videos.",
            {
                "object": "list",
                "data": [parts.COMPLETED],
                "has_more": True,
                "first_id": ID,
                "last_id": ID,
            },
        ),
        400: at_fault(
            "The query is invalid; `after` must be a video of yours that still exists.",
            ("after", NO_SUCH_VIDEO, "invalid"),
        ),
    },
)
content = extend_schema(
    operation_id="downloadOpenAIVideo",
    summary="Download the video, or its poster",
    description="Redirects to the file, which needs no login and supports Range requests.",
    parameters=[
        header("Location", "The file's URL.", 302),
        retry_after("Seconds to wait before the next attempt.", 409),
    ],
    responses={
        (200, "video/mp4"): VIDEO,
        (200, "image/jpeg"): VIDEO,
        (200, "application/octet-stream"): VIDEO,  # openapi-python-client knows no other
        302: OpenApiResponse(description="The file is at `Location`."),
        400: refused(
            "The video failed or was cancelled.",
            not_ready="There is no video: the job ended as FAILED",
        ),
        409: refused("The video is not completed yet.", not_ready="The video is not ready yet"),
        410: VIDEO_REMOVED,
    },
)
destroy = extend_schema(
    operation_id="deleteOpenAIVideo",
    summary="Delete a video in OpenAI's format",
    description="Deletes the video and its job. An active one is cancelled first.",
    responses={
        200: answer(
            parts.OpenAIDeletedVideoSerializer,
            "Deleted.",
            {"id": ID, "object": "video.deleted", "deleted": True},
        )
    },
)
