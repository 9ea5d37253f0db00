"""A provider without external services: it delivers sample MP4 files after a configured time.

The operation's name contains its whole state (start, duration, outcome, sample), so that any
process can poll it. A marker in the prompt controls the outcome: `[[fail:safety]]`,
`[[fail:provider]]`, `[[slow:30]]`.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from jobs.catalog import VideoSpec
from jobs.providers.base import Finished, Inputs, ProviderError, Running

SAMPLES = Path(__file__).parent / "samples"
SLOW = re.compile(r"\[\[slow:(\d{1,4})\]\]")
FAIL = re.compile(r"\[\[fail:(safety|provider)\]\]")
MAX_SECONDS = 600
OPERATION = re.compile(r"mock/(?P<began>\d+\.\d+)/(?P<seconds>\d+)/(?P<end>\w+)/(?P<sample>[\w-]+)")

FAILURES = {
    "safety": ProviderError(
        code="safety.output", message="The video was held back by the provider's safety filters."
    ),
    "provider": ProviderError(
        code="provider.unavailable", message="The video provider could not make the video."
    ),
}


class Mock:
    """Takes `seconds` for each video, by `clock` (seconds since the epoch)."""

    def __init__(self, *, seconds: int, clock: Callable[[], float] = time.time) -> None:
        self.seconds = seconds
        self.clock = clock

    def submit(self, *, spec: VideoSpec, inputs: Inputs, labels: Mapping[str, str]) -> str:
        slow, fail = SLOW.search(spec.prompt or ""), FAIL.search(spec.prompt or "")
        seconds = min(MAX_SECONDS, int(slow[1])) if slow else self.seconds
        end = fail[1] if fail else "video"
        return f"mock/{self.clock():.3f}/{seconds}/{end}/{sample_name(spec)}"

    def poll(self, *, operation: str, into: Path) -> Running | Finished:
        parts = OPERATION.fullmatch(operation)
        if parts is None:
            raise ProviderError(
                code="internal", message="Something went wrong on our side.", detail=operation
            )
        if self.clock() < float(parts["began"]) + int(parts["seconds"]):
            return Running()
        if parts["end"] in FAILURES:
            raise replace(FAILURES[parts["end"]])  # each exception keeps a traceback of its own
        shutil.copyfile(SAMPLES / f"{parts['sample']}.mp4", into)
        return Finished(poster=SAMPLES / f"{parts['sample'].removesuffix('-audio')}.jpg")


def sample_name(spec: VideoSpec) -> str:
    """The sample with the requested size, ratio, length and sound: "720p-16x9-8s-audio"."""
    ratio = spec.aspect_ratio.replace(":", "x")
    sound = "-audio" if spec.generate_audio else ""
    return f"{spec.resolution}-{ratio}-{spec.duration_seconds}s{sound}"
