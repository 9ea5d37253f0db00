"""A provider that needs nobody: real MP4 files, after a while, on the same path as Veo's.

Its operation's name carries all that there is to know (when it began, how long it takes, how it
ends), so that any process can poll it. A mark in the prompt scripts it: `[[fail:safety]]`,
`[[fail:provider]]`, `[[slow:30]]`.
"""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from jobs.catalog import VideoSpec
from jobs.providers.base import Finished, Inputs, ProviderError, Running

SAMPLES = Path(__file__).parent / "samples"
SLOW = re.compile(r"\[\[slow:(\d{1,4})\]\]")
FAIL = re.compile(r"\[\[fail:(safety|provider)\]\]")
SLOWEST = 600  # seconds
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

    def submit(self, *, spec: VideoSpec, inputs: Inputs) -> str:
        slow, fail = SLOW.search(spec.prompt or ""), FAIL.search(spec.prompt or "")
        seconds = min(SLOWEST, int(slow[1])) if slow else self.seconds
        end = fail[1] if fail else "video"
        return f"mock/{self.clock():.3f}/{seconds}/{end}/{sample_name(spec)}"

    def poll(self, *, operation: str, into: Path) -> Running | Finished:
        known = OPERATION.fullmatch(operation)
        if known is None:
            raise ProviderError(
                code="internal", message="Something went wrong on our side.", detail=operation
            )
        if self.clock() < float(known["began"]) + int(known["seconds"]):
            return Running()
        if known["end"] in FAILURES:
            raise FAILURES[known["end"]]
        shutil.copyfile(SAMPLES / f"{known['sample']}.mp4", into)
        return Finished(poster=SAMPLES / f"{known['sample'].removesuffix('-audio')}.jpg")


def sample_name(spec: VideoSpec) -> str:
    """The sample that has the order's size, ratio, length and sound: "720p-16x9-8s-audio"."""
    ratio = spec.aspect_ratio.replace(":", "x")
    sound = "-audio" if spec.generate_audio else ""
    return f"{spec.resolution}-{ratio}-{spec.duration_seconds}s{sound}"
