"""The OpenAPI documentation of the video jobs."""

from drf_spectacular.utils import OpenApiResponse, extend_schema

from jobs.api.request_serializers import ChangeVideoJobSerializer
from jobs.api.schema_examples import (
    CANCELLED,
    CURSOR,
    FAILED,
    MODEL,
    NO_TOKENS,
    ORDER,
    PENDING,
    PIXEL,
    QUOTE,
    REMOVED,
    RUNNING,
    SUCCEEDED,
    THROTTLED,
    TOO_MANY,
)
from jobs.api.schema_parts import (
    INVALID_ORDER,
    INVALID_QUERY,
    JOB_ID,
    KEY,
    KEY_FAULT,
    KNOWN,
    NOT_FOUND,
    ORDER_BODY,
    OTHER_TYPE,
    POLL_AGAIN,
    QUOTE_THROTTLED,
    TOO_LARGE,
    VIDEO,
    etag,
)
from jobs.api.serializers import (
    DeleteQuerySerializer,
    ListQuerySerializer,
    ModelListSerializer,
    QuoteSerializer,
    ShortOfTokensSerializer,
    TooManyActiveJobsSerializer,
    VideoJobListSerializer,
)
from jobs.job_json import VideoJobSerializer
from videostudio.core.api.openapi import (
    JSON,
    READ_ONLY_KEY,
    RETRY_AFTER,
    UNAUTHORIZED,
    UNKNOWN,
    answer,
    at_fault,
    example,
    header,
    rate_limits,
    refused,
    retry_after,
    sent,
)

create = extend_schema(
    operation_id="createVideoJob",
    summary="Create a video",
    description="Charges the tokens and returns the new job, which you then poll. Send JSON, "
    "with images as data URIs, or `multipart/form-data`, with images as files.\n\n"
    "With `mockMode` the video is a sample, and a marker in the prompt controls the outcome: "
    "`[[fail:safety]]`, `[[fail:provider]]`, `[[slow:30]]`.",
    request=ORDER_BODY,
    examples=[
        sent(ORDER, "A sample video from text", media_type=JSON),
        sent(ORDER | {"initialImage": PIXEL}, "A sample video from an image", media_type=JSON),
        sent(ORDER | {"prompt": "[[fail:safety]] A kite"}, "A job that fails", media_type=JSON),
        sent(ORDER, "A sample video from text", media_type="multipart/form-data"),
    ],
    parameters=[
        KEY,
        retry_after("Seconds to wait before a poll or another attempt.", 202, 429, 503),
        etag(202),
        header("Location", "The job's URL.", 202),
        *rate_limits(202, 400, 402, 404, 413, 415, 422, 429, 503),
        header("Idempotency-Replayed", "`true` if the key was used before.", 202),
    ],
    responses={
        202: answer(
            VideoJobSerializer,
            "The new job, or the job created with this key.",
            PENDING,
            "A job in the queue",
        ),
        400: INVALID_ORDER,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        402: OpenApiResponse(
            ShortOfTokensSerializer,
            "Not enough tokens; nothing was charged.",
            examples=[example("insufficient_tokens", NO_TOKENS)],
        ),
        404: refused("The job created with this key was deleted.", not_found="Not found."),
        413: TOO_LARGE,
        415: OTHER_TYPE,
        422: at_fault(
            "The key was used with other content.",
            code="idempotency_mismatch",
            faults=[("Idempotency-Key", KEY_FAULT, "idempotency_mismatch")],
        ),
        429: OpenApiResponse(
            TooManyActiveJobsSerializer,
            "Too many active jobs, or too many requests; nothing was charged.",
            examples=[
                example("too_many_active_jobs", TOO_MANY),
                example("throttled", THROTTLED),
            ],
        ),
        503: refused(
            "Google does not offer the model (`model_unavailable`), or the database is down "
            "(`unavailable`); nothing was charged.",
            model_unavailable="Google does not offer model 'veo-3.1-generate-preview' at the "
            "moment. Nothing was charged. Choose a model that is available in "
            "GET /api/v1/video-models.",
        ),
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
        sent(ORDER, "A sample video from text", media_type=JSON),
        sent(ORDER, "A sample video from text", media_type="multipart/form-data"),
    ],
    parameters=[RETRY_AFTER, *rate_limits(200, 400, 413, 415, 429)],
    responses={
        200: answer(QuoteSerializer, "The cost, and your balance.", QUOTE, "Affordable"),
        400: INVALID_ORDER,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        413: TOO_LARGE,
        415: OTHER_TYPE,
        429: refused("Too many requests.", throttled=QUOTE_THROTTLED),
    },
)
retrieve = extend_schema(
    operation_id="getVideoJob",
    summary="Get a video job",
    description="The job as it is now. Poll every 3 to 5 seconds while it is PENDING or RUNNING; "
    "send `If-None-Match` to get 304 while nothing has changed.",
    parameters=[JOB_ID, KNOWN, etag(200, 304), retry_after(POLL_AGAIN, 200, 304)],
    responses={
        200: OpenApiResponse(
            VideoJobSerializer,
            "The whole job.",
            examples=[
                example(str(job["status"]), job)
                for job in (RUNNING, PENDING, SUCCEEDED, FAILED, CANCELLED)
            ],
        ),
        304: OpenApiResponse(description="Nothing has changed."),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        404: NOT_FOUND,
    },
)
list_jobs = extend_schema(
    operation_id="listVideoJobs",
    summary="List your video jobs",
    description="Newest first. `total` counts all jobs that match the filter. For the next page "
    "send `nextCursor` as `after`: no job is missed or returned twice, even if jobs are created or "
    "deleted meanwhile.",
    parameters=[ListQuerySerializer],
    responses={
        200: answer(
            VideoJobListSerializer,
            "A page of your jobs.",
            {"jobs": [SUCCEEDED], "total": 42, "nextCursor": CURSOR, "hasMore": True},
            "The first of 42 jobs",
        ),
        400: INVALID_QUERY,
        401: UNAUTHORIZED,
    },
)
partial_update = extend_schema(
    operation_id="updateVideoJob",
    summary="Hide a video job, or show it",
    description="The public monitor counts a private job and shows nothing else of it: the job's "
    "page there is 404 at once, and its lists change within five seconds. The video's URL stays "
    "the same and needs no login, so anyone who has the URL can still watch the video.",
    request={JSON: ChangeVideoJobSerializer},
    examples=[sent({"private": True}, "Hide the job from the monitor", media_type=JSON)],
    parameters=[JOB_ID, etag(200), retry_after(POLL_AGAIN, 200)],
    responses={
        200: answer(
            VideoJobSerializer,
            "The job as it is now.",
            SUCCEEDED | {"private": True},
            "A private job",
        ),
        400: at_fault(
            "The body is invalid.",
            code="invalid",
            faults=[("private", "Private must be 'true' or 'false'", "invalid")],
        ),
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        404: NOT_FOUND,
    },
)
destroy = extend_schema(
    operation_id="deleteVideoJob",
    summary="Delete a video job",
    description="Deletes the job and its images, and with `video=true` the stored video. An active "
    "job is cancelled first, as by `cancel`.",
    parameters=[JOB_ID, DeleteQuerySerializer],
    responses={
        204: OpenApiResponse(description="Deleted."),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        404: NOT_FOUND,
    },
)
remove_video = extend_schema(
    operation_id="removeVideo",
    summary="Remove the video",
    description="Deletes the stored video and its poster, and leaves the job. This cannot be "
    "undone, and no tokens are refunded. Repeating the call has no further effect.",
    request=None,
    parameters=[JOB_ID, etag(200)],
    responses={
        200: answer(VideoJobSerializer, "The job, without its video.", REMOVED, "A removed video"),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
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
    request=None,
    parameters=[
        JOB_ID,
        etag(200),
    ],
    responses={
        200: answer(VideoJobSerializer, "The job, now CANCELLED.", CANCELLED, "A cancelled job"),
        400: UNKNOWN,
        401: UNAUTHORIZED,
        403: READ_ONLY_KEY,
        404: NOT_FOUND,
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
    parameters=[JOB_ID, header("Location", "The video's URL.", 302)],
    responses={
        (200, "video/mp4"): VIDEO,
        (200, "application/octet-stream"): VIDEO,  # openapi-python-client knows no other
        302: OpenApiResponse(description="The video is at `Location`."),
        400: at_fault(
            "The job has no video yet, or ended without one.",
            code="not_ready",
            faults=[(None, "The video is not ready yet", "not_ready")],
        ),
        401: UNAUTHORIZED,
        404: NOT_FOUND,
        410: refused("The video was removed.", video_removed="The video was removed."),
    },
)
list_models = extend_schema(
    operation_id="listVideoModels",
    summary="List the models",
    description="What each model can make, which images it takes, what it costs, and whether "
    "Google offers it now. No login.",
    auth=[],
    responses={
        200: answer(ModelListSerializer, "All models.", {"models": [MODEL]}, "The first model"),
        400: UNKNOWN,
    },
)
