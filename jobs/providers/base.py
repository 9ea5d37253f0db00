"""What the pipeline knows of whoever makes the videos: three calls and one kind of error.

A provider keeps nothing between calls: `submit` answers with an operation's name, and any process
that has the name can `poll` it, so that a job outlives the worker which submitted it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from jobs.catalog import VideoSpec
from jobs.input_images import Image

TIMEOUT_SECONDS = 30  # of a call to a provider


@dataclass(frozen=True)
class Inputs:
    """The images that go with an order."""

    initial_image: Image | None = None
    end_frame: Image | None = None
    reference_images: list[Image] = field(default_factory=list)


@dataclass(frozen=True)
class Running:
    """The provider is still at work."""


@dataclass(frozen=True)
class Finished:
    """The video was written to the path that was given; `poster` is a JPEG of it, where one is."""

    poster: Path | None = None


class ProviderError(Exception):
    """A request or a generation that failed.

    `code` is an errorCode of the API and `message` one plain sentence for a person; neither holds
    the provider's own words. Those are `detail`, for staff only. `retryable`: the same call may
    succeed later; on submission it is set only where nothing was accepted. `retry_after`: seconds,
    where the provider named them. `throttled`: it asked all of us to slow down. `status`: the HTTP
    status, where that was the failure.
    """

    def __init__(
        self,
        *,
        code: str,
        message: str,
        detail: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        throttled: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail or message}")
        self.code = code
        self.message = message
        self.detail = detail
        self.retryable = retryable
        self.retry_after = retry_after
        self.throttled = throttled
        self.status = status


class NotConfigured(Exception):
    """This process lacks credentials or certificates, which is the operator's; nothing was sent."""


class Provider(Protocol):
    """Thread-safe; every call ends within its own time-out."""

    def submit(self, *, spec: VideoSpec, inputs: Inputs) -> str:
        """Ask for a video; returns the operation's name. Raises ProviderError, NotConfigured."""
        ...

    def poll(self, *, operation: str, into: Path) -> Running | Finished:
        """Ask how it goes; writes the finished video to `into`.

        Raises ProviderError, NotConfigured; OSError where `into` cannot be written.
        """
        ...
