"""The fields of a fault, and helpers that most faults share."""

import errno
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.studio import Studio

Play = Callable[[Studio], None]

SUCCEEDED, CANCELLED, GONE = "SUCCEEDED", "CANCELLED", "gone"
KEPT, BACK = "charged", "refunded"
SCRIPT = re.compile(r"(?P<stage>\w+) (?P<fault>\S+?)(?: x(?P<times>\d+)|(?P<ever> for ever))?")


@dataclass(frozen=True)
class Fault:
    """After `play` the job has ended as `end`: a status or, if it FAILED, the errorCode.

    `calls`: creates, polls and uploads that arrived. `tokens`: KEPT or BACK; by default KEPT for
    a job that SUCCEEDED and BACK for others. `is_removed`: the owner has removed the video.
    """

    name: str
    play: Play
    end: str
    calls: tuple[int, int, int]
    tokens: str = ""
    is_removed: bool = False

    @property
    def status(self) -> str:
        return self.end if self.end in (SUCCEEDED, CANCELLED, GONE) else "FAILED"

    @property
    def error_code(self) -> str | None:
        return self.end if self.status == "FAILED" else None

    @property
    def money(self) -> str:
        return self.tokens or (KEPT if self.end == SUCCEEDED else BACK)


def google(*script: str) -> Play:
    """A video is ordered, and Google's next answers are "create 503 x3", "done half for ever" …"""
    return lambda studio: _play(studio, studio.google, script)


def cloudinary(*script: str) -> Play:
    """The same with Cloudinary: "upload 500"."""
    return lambda studio: _play(studio, studio.cloudinary, script)


def _play(studio: Studio, service: Any, script: tuple[str, ...]) -> None:
    for line in script:
        said = SCRIPT.fullmatch(line)
        assert said, line
        times = math.inf if said["ever"] else int(said["times"] or 1)
        service.fail(said["stage"], said["fault"], times=times)
    studio.order()
    studio.finish()


def impatient(play: Play) -> Play:
    """The same play with time-outs of half a second."""

    def faster(studio: Studio) -> None:
        studio.impatient()
        play(studio)

    return faster


def within_an_hour(play: Play) -> Play:
    """The same play with VIDEO_STORE_DEADLINE_HOURS=1, which takes fewer tries."""

    def shorter(studio: Studio) -> None:
        studio.settings.VIDEO_STORE_DEADLINE_HOURS = 1
        play(studio)

    return shorter


def restarted(**settings: Any) -> Play:
    """A video is ordered, and the workers restart with these settings."""

    def play(studio: Studio) -> None:
        studio.order()
        studio.restart(**settings)
        studio.finish()

    return play


def disk_full(studio: Studio, owner: Any, name: str, *, times: float = math.inf) -> None:
    """The function raises ENOSPC this many times. A full disk would need a mount and root."""
    original, left = getattr(owner, name), [times]

    def write(*args: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.ENOSPC, "No space left on device", "/var/staging/video.mp4")
        return original(*args, **options)

    studio.monkeypatch.setattr(owner, name, write)
