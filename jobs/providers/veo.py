"""Veo 3.1 through google-genai.

google-genai 3.x makes videos on the Gemini Enterprise Agent Platform (Vertex) only: an API key
with a project, an API key alone (express mode) or a project with application-default credentials.
The finished video comes inline, as base64 in the response to the last poll; see `video_stream`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from google import genai
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.genai import errors, types

from jobs.catalog import VideoSpec, google_id
from jobs.input_images import Image
from jobs.providers.base import (
    MODEL_MISSING,
    TIMEOUT_SECONDS,
    UNKNOWN_SUBMISSION,
    Finished,
    Inputs,
    NotConfigured,
    ProviderError,
    Running,
)
from jobs.providers.video_stream import ON_DISK, InlineVideoTransport

TIMEOUT_MS = TIMEOUT_SECONDS * 1000  # google-genai's default is no time-out
MAX_RETRY_AFTER = 3600  # seconds; a daily quota may be raised before the day is over

DEFERRED_MODELS = (  # the SDK's `defer_build` would build them at first use
    types.GenerateVideosSource,
    types.GenerateVideosConfig,
    types.GenerateVideosOperation,
    types.GenerateVideosResponse,
    types.Video,
)
ASSET = types.VideoGenerationReferenceType.ASSET
SAFETY_SIGNS = ("safety", "usage guidelines", "responsible ai", "sensitive")
OPERATOR_SIGNS = (  # in the error of a submission or an operation
    *("api_key_invalid", "resource_project_invalid", "consumer_invalid"),
    *("requires billing", "billing account", "billing_disabled"),  # not a quota's "billing details"
    *("storage uri", "storageuri", "output_gcs_uri", "service account", "allowlist"),
)
RETRY_DELAY = re.compile(r"'retryDelay': '(\d+(?:\.\d+)?)s'")

SAFETY_OUTPUT = ("safety.output", "The video was held back by Google's safety filters.")
SAFETY_PROMPT = ("safety.prompt", "Google's safety filters refused the prompt or an image.")
UNAVAILABLE = ("provider.unavailable", "Google Veo is not available at the moment.")
REJECTED = ("provider.rejected", "Google Veo refused the request.")
# Maps an answer's HTTP status, or the gRPC code of an operation's error, to the job's error.
BY_HTTP_STATUS: Mapping[int, tuple[str, str]] = {
    400: ("input.unsupported", "Google Veo does not accept this combination of inputs."),
    401: REJECTED,
    403: REJECTED,
    404: REJECTED,
    429: ("provider.unavailable", "Google Veo is too busy at the moment."),
}
BY_GRPC_CODE: Mapping[int, tuple[str, str]] = {
    3: ("input.unsupported", "Google Veo could not process these inputs."),
    8: UNAVAILABLE,
    13: ("provider.unavailable", "Google Veo failed to make the video."),
    14: UNAVAILABLE,
}


class Veo:
    """Google's video models. `model_ids` overrides the catalog's mapping to Google's names.
    `person_generation` says which people Google may show; "" leaves it to Google.

    An instance takes 10 MB, mostly for TLS contexts, so a cluster creates it before forking. It
    opens its first connection in its first call, so that forked processes share none.
    """

    def __init__(
        self,
        *,
        api_key: str,
        project: str,
        location: str,
        base_url: str = "",
        api_version: str = "",
        model_ids: Mapping[str, str] | None = None,
        person_generation: str = "",
    ) -> None:
        self._person_generation = person_generation
        self._model_ids = model_ids or {}
        self._transport = InlineVideoTransport(decode=_from_base64)
        for model in DEFERRED_MODELS:
            model.model_rebuild()
        self.client = genai.Client(
            enterprise=True,
            api_key=api_key or None,
            project=project or None,
            location=location if project else None,
            http_options=types.HttpOptions(
                timeout=TIMEOUT_MS,
                base_url=base_url or None,
                api_version=api_version or None,
                # One attempt only: a repeated submission could be charged as a second video.
                retry_options=types.HttpRetryOptions(attempts=1),
                client_args={"transport": self._transport},
            ),
        )

    def submit(self, *, spec: VideoSpec, inputs: Inputs, labels: Mapping[str, str]) -> str:
        model = google_id(name=spec.model, overrides=self._model_ids)
        try:
            operation = self.client.models.generate_videos(
                model=model,
                source=types.GenerateVideosSource(
                    prompt=spec.prompt, image=_image(inputs.initial_image)
                ),
                config=self._config(spec, inputs, labels),
            )
        except errors.APIError as error:
            raise _refused_submission(error, model) from error
        except DefaultCredentialsError as error:
            raise NotConfigured(str(error)) from error
        # Nothing was sent: no connection, or no access token to send.
        except (httpx2.ConnectError, httpx2.ConnectTimeout, GoogleAuthError) as error:
            raise _error(UNAVAILABLE, error, retryable=True) from error
        except (httpx2.HTTPError, ValueError) as error:  # sent, with an unknown result
            raise _error(UNKNOWN_SUBMISSION, error) from error
        if not operation.name:
            raise _error(UNKNOWN_SUBMISSION, "the answer names no operation")
        return operation.name

    def poll(self, *, operation: str, into: Path) -> Running | Finished:
        try:
            with self._transport.video_to(into):
                answer = self.client.operations.get(operation_of(operation))
        except errors.APIError as error:
            raise _failed_poll(error) from error
        except DefaultCredentialsError as error:
            raise NotConfigured(str(error)) from error
        except (httpx2.HTTPError, GoogleAuthError, ValueError) as error:  # ValueError: not JSON
            raise _error(UNAVAILABLE, error, retryable=True) from error
        if not answer.done:
            return Running()
        video = _video_of(answer)
        if video != ON_DISK:
            into.write_bytes(video)
        return Finished()

    def _config(
        self, spec: VideoSpec, inputs: Inputs, labels: Mapping[str, str]
    ) -> types.GenerateVideosConfig:
        references = [
            types.VideoGenerationReferenceImage(image=_image(image), reference_type=ASSET)
            for image in inputs.reference_images
        ]
        return types.GenerateVideosConfig(
            number_of_videos=1,
            aspect_ratio=spec.aspect_ratio,
            resolution=spec.resolution,
            duration_seconds=spec.duration_seconds,
            generate_audio=spec.generate_audio,
            negative_prompt=spec.negative_prompt,
            seed=spec.seed,
            person_generation=self._person_generation or None,
            last_frame=_image(inputs.end_frame),
            reference_images=references or None,
            labels=dict(labels),
        )


def operation_of(name: str) -> types.GenerateVideosOperation:
    return types.GenerateVideosOperation.model_validate({"name": name})


def _image(image: Image | None) -> types.Image | None:
    if image is None:
        return None
    return types.Image(image_bytes=image.content, mime_type=image.mime_type)


def _from_base64(text: bytes) -> bytes:
    """Decode base64 as the SDK does, from a JSON string; takes a third of the time of `base64`."""
    video = types.Video.model_validate_json(b'{"videoBytes": "%s"}' % text)
    return video.video_bytes or b""


def _video_of(operation: types.GenerateVideosOperation) -> bytes:
    """The bytes of a finished operation's video. Raises ProviderError for any other outcome."""
    if operation.error and _is_for_the_operator(operation.error):
        raise _error(REJECTED, operation.error)
    if operation.error and _is_about_safety(operation.error.get("message")):
        raise _error(SAFETY_PROMPT, operation.error)
    if operation.error:
        failure = BY_GRPC_CODE.get(operation.error.get("code", 0), REJECTED)
        raise _error(failure, operation.error)
    response = operation.response
    if response and response.rai_media_filtered_count:
        raise _error(SAFETY_OUTPUT, response.rai_media_filtered_reasons)
    videos = response.generated_videos if response else None
    if not videos or not videos[0].video or not videos[0].video.video_bytes:
        raise _error(
            ("provider.unavailable", "Google Veo finished without a video."), "done, but empty"
        )
    return videos[0].video.video_bytes


def _refused_submission(error: errors.APIError, model: str) -> ProviderError:
    """429, 503 and every other 4xx prove that nothing was accepted; other statuses do not."""
    if error.code in (429, 503):
        return _error(
            BY_HTTP_STATUS.get(error.code, UNAVAILABLE),
            error,
            retryable=True,
            retry_after=_retry_after(error),
            throttled=error.code == 429,
        )
    if not 400 <= error.code < 500:
        return _error(UNKNOWN_SUBMISSION, error)
    if is_about_the_model(error, model):
        return _error(MODEL_MISSING, error, missing_model=model)
    if _is_for_the_operator(error.details):
        return _error(REJECTED, error)
    if error.code == 400 and _is_about_safety(error.message):
        return _error(SAFETY_PROMPT, error)
    return _error(BY_HTTP_STATUS.get(error.code, REJECTED), error)


def _failed_poll(error: errors.APIError) -> ProviderError:
    """A failed poll does not fail the job, unless the operation no longer exists.

    A 404 that is not JSON of Google's API comes from a proxy, or names a wrong VEO_API_VERSION.
    """
    if error.code == 404 and error.status == "NOT_FOUND":
        return _error(("provider.rejected", "Google Veo no longer knows the video."), error)
    return _error(
        BY_HTTP_STATUS.get(error.code, UNAVAILABLE),
        error,
        retryable=True,
        retry_after=_retry_after(error),
    )


def _error(failure: tuple[str, str], cause: object, **options: Any) -> ProviderError:
    code, message = failure
    detail = f"{type(cause).__name__}: {cause}" if isinstance(cause, Exception) else str(cause)
    status = cause.code if isinstance(cause, errors.APIError) else None
    return ProviderError(code=code, message=message, detail=detail[:1000], status=status, **options)


def _retry_after(error: errors.APIError) -> float | None:
    """Seconds, from google.rpc.RetryInfo in the error's details or the Retry-After header."""
    if delay := RETRY_DELAY.search(str(error.details)):
        return min(float(delay[1]), MAX_RETRY_AFTER)
    header = getattr(error.response, "headers", {}).get("retry-after", "")
    return min(float(header), MAX_RETRY_AFTER) if header.isdecimal() else None


def is_about_the_model(error: errors.APIError, model: str) -> bool:
    """Whether Google says that it does not have this model, or not for this project and region.

    Other 404s do not name the model: those of an operation, of a project, or of a proxy.
    """
    name = rf"models/{re.escape(model.rpartition('/')[2])}(?![\w/-]|\.\w)"
    is_not_found = error.code == 404 and error.status == "NOT_FOUND"
    return is_not_found and re.search(name, error.message or "") is not None


def _is_for_the_operator(error: object) -> bool:
    """Whether the account or the settings of this service are at fault, and not the order."""
    return any(sign in str(error).lower() for sign in OPERATOR_SIGNS)


def _is_about_safety(text: object) -> bool:
    """Google refuses some prompts with a text about its usage guidelines, at once or at the end."""
    return any(sign in str(text).lower() for sign in SAFETY_SIGNS)
