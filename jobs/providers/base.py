"""The interface between the workers and a video provider: two calls and their errors.

A provider has no state between calls: `submit` returns an operation's name, and any process that
has the name can `poll` it, so that a job survives the worker that submitted it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from jobs.catalog import VideoSpec
from jobs.input_images import Image

TIMEOUT_SECONDS = 30  # of a call to a provider

# The code and message of errors that the workers report too.
UNKNOWN_SUBMISSION = (
    "provider.unknown_submission",
    "The connection to Google Veo broke, and it is unknown whether the job was accepted.",
)
MODEL_MISSING = ("provider.rejected", "Google Veo no longer offers this model.")


@dataclass(frozen=True)
class Inputs:
    """The input images of a request."""

    initial_image: Image | None = None
    end_frame: Image | None = None
    reference_images: list[Image] = field(default_factory=list)


@dataclass(frozen=True)
class Running:
    """The provider has not finished the video."""


@dataclass(frozen=True)
class Finished:
    """The video was written to the path given to `poll`; `poster` is a JPEG of it, or None."""

    poster: Path | None = None


@dataclass(eq=False, kw_only=True)
class ProviderError(Exception):
    """A request or a generation that failed.

    `code` is an errorCode of the API and `message` one plain sentence for a person; neither
    contains the provider's own text. That is in `detail`, for staff only. `retryable`: the same
    call may succeed later; for a submission it is set only if nothing was accepted. `retry_after`:
    seconds, if the provider gave them. `throttled`: the provider asked the whole installation to
    slow down. `status`: the HTTP status, if that was the failure. `missing_model`: the
    provider's id of the model, if it does not have it.
    """

    code: str
    message: str
    detail: str = ""
    retryable: bool = False
    retry_after: float | None = None
    throttled: bool = False
    status: int | None = None
    missing_model: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail or self.message}"


class NotConfigured(Exception):
    """This process lacks credentials or certificates: an operator's mistake. Nothing was sent."""


class Provider(Protocol):
    """Thread-safe; every call ends within its own time-out."""

    def submit(self, *, spec: VideoSpec, inputs: Inputs, labels: Mapping[str, str]) -> str:
        """Request a video; return the operation's name. Raises ProviderError, NotConfigured.

        `labels` say on the provider's bill what the video was made for.
        """
        ...

    def poll(self, *, operation: str, into: Path) -> Running | Finished:
        """Check whether the video is finished and, if it is, write it to `into`.

        Raises ProviderError, NotConfigured; OSError if `into` cannot be written.
        """
        ...
