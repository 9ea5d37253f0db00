"""The OpenAPI documentation of the video jobs, the models, and the balance."""

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from jobs.api import schema_examples as examples
from jobs.api import serializers
from jobs.api.request_serializers import UpdateVideoJobSerializer
from jobs.api.schema_parts import (
    BODY_REFUSALS,
    KEY,
    ORDER_REFUSALS,
    VIDEO,
    VIDEO_REMOVED,
    JsonOrderSerializer,
    MultipartOrderSerializer,
    replayed,
)
from jobs.job_json import VideoJobSerializer
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

ORDER_BODY = {JSON: JsonOrderSerializer, FORM: MultipartOrderSerializer}
INVALID_ORDER = at_fault(
    "The request is invalid: `field` is the first error's, `errors` lists all.",
    ("aspect_ratio", "Unknown field 'aspect_ratio': did you mean 'aspectRatio'?", "unknown_field"),
    ("resolution", "Resolution must be '720p' or '1080p'", "invalid_choice"),
    ("aspectRatio", "Aspect ratio is required", "required"),
)
INVALID_QUERY = at_fault(
    "The query is invalid.",
    ("status", "Unknown query parameter 'status': did you mean 'status_filter'?", "unknown_field"),
    ("limit", "Limit must be a whole number from 1 to 100", "max_value"),
)
KNOWN = OpenApiParameter(
    "If-None-Match", location="header", description="The `ETag` of your last response."
)


def etag(*statuses: int) -> OpenApiParameter:
    return header("ETag", "Changes whenever the response does.", *statuses)


def poll_again(*statuses: int) -> OpenApiParameter:
    text = "Seconds to wait before the next poll; only while the job is active."
    return retry_after(text, *statuses)


create = extend_schema(
    operation_id="createVideoJob",
    summary="Create a video",
    description="Charges the tokens and returns the new job, which you then poll. Send JSON, "
    "with images as data URIs, or `multipart/form-data`, with images as files.\n\n"
    "With `mockMode` the video is a sample, and a marker in the prompt controls the outcome: "
    "`[[fail:safety]]`, `[[fail:provider]]`, `[[slow:30]]`.",
    request=ORDER_BODY,
    examples=[
        sent(examples.ORDER, "A sample video from text", media_type=JSON),
        sent(
            examples.ORDER | {"initialImage": examples.PIXEL},
            "A sample video from an image",
            media_type=JSON,
        ),
        sent(
            examples.ORDER | {"prompt": "[[fail:safety]] A kite"},
            "A job that fails",
            media_type=JSON,
        ),
        sent(examples.ORDER, "A sample video from text", media_type=FORM),
    ],
    parameters=[
        KEY,
        retry_after("Seconds to wait before a poll.", 202),
        etag(202),
        header("Location", "The job's URL.", 202),
        replayed(202),
    ],
    responses={
        202: answer(
            VideoJobSerializer, "The new job, or the job created with this key.", examples.PENDING
        ),
        400: INVALID_ORDER,
        **ORDER_REFUSALS,
    },
)
quote = extend_schema(
    operation_id="quoteVideoJob",
    summary="Ask what a video costs",
    description="Takes the fields of an order and says what it would be charged now. A quote gets "
    "the same 400 that the order would get. Nothing is stored or charged. Whether Google offers "
    "the model, the limit of the API key and the limit of active jobs are not checked.",
    request=ORDER_BODY,
    examples=[
        sent(examples.ORDER, "A sample video from text", media_type=JSON),
        sent(examples.ORDER, "A sample video from text", media_type=FORM),
    ],
    responses={
        200: answer(serializers.QuoteSerializer, "The cost, and your balance.", examples.QUOTE),
        400: INVALID_ORDER,
        **BODY_REFUSALS,
    },
)
retrieve = extend_schema(
    operation_id="getVideoJob",
    summary="Get a video job",
    description="The job as it is now. Poll every 3 to 5 seconds while it is PENDING or RUNNING; "
    "send `If-None-Match` to get 304 while nothing has changed.",
    parameters=[KNOWN, etag(200, 304), poll_again(200, 304)],
    responses={
        200: OpenApiResponse(
            VideoJobSerializer,
            "The whole job.",
            examples=[example(str(job["status"]), job) for job in examples.JOBS],
        ),
        304: OpenApiResponse(description="Nothing has changed."),
    },
)
list_jobs = extend_schema(
    operation_id="listVideoJobs",
    summary="List your video jobs",
    description="Newest first. `total` counts all jobs that match the filter. For the next page "
    "send `nextCursor` as `after`: no job is missed or returned twice, even if jobs are created or "
    "deleted meanwhile.",
    responses={
        200: answer(
            serializers.VideoJobListSerializer,
            "A page of your jobs.",
            {
                "jobs": [examples.SUCCEEDED],
                "total": 42,
                "nextCursor": examples.CURSOR,
                "hasMore": True,
            },
        ),
        400: INVALID_QUERY,
    },
)
partial_update = extend_schema(
    operation_id="updateVideoJob",
    summary="Hide a video job, or show it",
    description="The public monitor counts a private job and shows nothing else about it: its "
    "page there is 404 at once, and its lists change within five seconds. The video's URL stays "
    "the same and needs no login, so anyone who has the URL can still watch the video.",
    request=UpdateVideoJobSerializer,
    examples=[sent({"private": True}, "Hide the job from the monitor")],
    parameters=[etag(200), poll_again(200)],
    responses={
        200: answer(
            VideoJobSerializer, "The job as it is now.", examples.SUCCEEDED | {"private": True}
        ),
        400: at_fault(
            "The body is invalid.", ("private", "Private must be 'true' or 'false'", "invalid")
        ),
    },
)
destroy = extend_schema(
    operation_id="deleteVideoJob",
    summary="Delete a video job",
    description="Deletes the job and its images, and with `video=true` the stored video. An active "
    "job is cancelled first, as by `cancel`.",
    responses={204: OpenApiResponse(description="Deleted.")},
)
remove_video = extend_schema(
    operation_id="removeVideo",
    summary="Remove the video",
    description="Deletes the stored video and its poster, and leaves the job. This cannot be "
    "undone, and no tokens are refunded. Repeating the call has no further effect.",
    parameters=[etag(200)],
    responses={
        200: answer(VideoJobSerializer, "The job, without its video.", examples.REMOVED),
        404: refused(
            "You have no such job, or it never had a video.", not_found="The job has no video"
        ),
        409: refused("The job is still active.", not_ready="The video is not ready yet"),
    },
)
cancel = extend_schema(
    operation_id="cancelVideoJob",
    summary="Cancel a video job",
    description="Refunds the tokens unless the job has been submitted to Google (its status "
    "message is then `Video generation in progress...`). Repeating the call has no further effect.",
    parameters=[etag(200)],
    responses={
        200: answer(VideoJobSerializer, "The job, now CANCELLED.", examples.CANCELLED),
        409: refused(
            "The job has already SUCCEEDED or FAILED.",
            already_finished="The job has already finished.",
        ),
    },
)
download = extend_schema(
    operation_id="downloadVideo",
    summary="Download the video",
    description="Redirects to the job's `cloudinaryUrl`, which needs no login and supports Range "
    "requests.",
    parameters=[header("Location", "The video's URL.", 302)],
    responses={
        (200, "video/mp4"): VIDEO,
        (200, "application/octet-stream"): VIDEO,  # openapi-python-client knows no other
        302: OpenApiResponse(description="The video is at `Location`."),
        400: at_fault(
            "The job has no video yet, or ended without one.",
            (None, "The video is not ready yet", "not_ready"),
            code="not_ready",
        ),
        410: VIDEO_REMOVED,
    },
)
list_models = extend_schema(
    operation_id="listVideoModels",
    summary="List the models",
    description="What each model can make, which images it takes, what it costs, and whether "
    "Google offers it now. No login.",
    auth=[],
    responses={
        200: answer(
            serializers.VideoModelListSerializer, "All models.", {"models": [examples.MODEL]}
        )
    },
)
get_tokens = extend_schema(
    operation_id="getTokens",
    summary="Get your token balance",
    description="Your balance, which is always the sum of your entries, the prices, and how many "
    "jobs you may have active at a time.",
    responses={
        200: answer(
            serializers.TokenBalanceSerializer,
            "The balance and the prices.",
            {
                "availableTokens": 450,
                "costs": {"video_generation": 50},
                "activeJobs": 1,
                "activeJobsLimit": 3,
            },
        )
    },
)
get_usage = extend_schema(
    operation_id="getTokenUsage",
    summary="Get your usage by day",
    description="Jobs created, and tokens charged and refunded, for each UTC day, today first.",
    responses={
        200: answer(
            serializers.TokenUsageSerializer,
            "One row for each day.",
            {"days": [{"date": "2026-01-15", "jobs": 3, "charges": 150, "refunds": 50}]},
        ),
        400: at_fault(
            "The query is invalid.",
            ("days", "Days must be a whole number from 1 to 90", "max_value"),
        ),
    },
)
