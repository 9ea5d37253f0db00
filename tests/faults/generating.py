"""Google accepted the order, and a failure occurs before the video arrives."""

from typing import Any

from jobs.providers import veo, video_stream
from tests.faults.fault import SUCCEEDED, Fault, disk_full, google, impatient, within_an_hour
from tests.faults.studio import NEVER, Studio

FLAPPING = ("poll 503", "poll html", "poll cut", "poll html200", "poll 401", "poll 429")


def down(studio: Studio) -> None:
    """Google refuses connections for three polls, while the operation continues."""
    studio.order()
    studio.tick()
    with studio.outage(studio.google):
        studio.try_in_vain(studio.tick)
    studio.finish()


def never_done(studio: Studio) -> None:
    studio.google.seconds = NEVER
    studio.order()
    studio.tick()
    studio.later(studio.settings.VIDEO_JOB_DEADLINE_SECONDS)
    studio.finish()


def all_workers_away(studio: Studio) -> None:
    """No worker runs for two hours. Google makes the video meanwhile."""
    studio.order()
    studio.tick()
    studio.later(7200)
    studio.finish()


def key_taken_away(studio: Studio) -> None:
    """The workers restart without their key, and later with it."""
    studio.order()
    studio.tick()
    studio.restart(GOOGLE_API_KEY="", GOOGLE_CLOUD_PROJECT="")
    studio.wait()
    studio.tick()
    studio.restart(GOOGLE_API_KEY="test-google-key", GOOGLE_CLOUD_PROJECT="test-project")
    studio.finish()


def wrong_version(studio: Studio) -> None:
    """The workers restart with an API version that Google does not have, and later without it."""
    studio.order()
    studio.tick()
    studio.restart(VEO_API_VERSION="v9")
    studio.wait()
    studio.tick()
    studio.restart(VEO_API_VERSION="")
    studio.finish()


def no_space_twice(studio: Studio) -> None:
    disk_full(studio, video_stream, "_write_video", times=2)
    google()(studio)


def no_space(studio: Studio) -> None:
    disk_full(studio, video_stream, "_write_video")
    google()(studio)


def our_mistake(studio: Studio) -> None:
    """Our own code raises an exception for every response."""

    def trip(operation: Any) -> bytes:
        raise AttributeError("'NoneType' object has no attribute 'video'")

    studio.monkeypatch.setattr(veo, "_video_of", trip)
    google()(studio)


FAULTS = [
    Fault("503 for a minute", google("poll 503 x5"), SUCCEEDED, (1, 6, 1)),
    Fault("429 that names a delay of 34 s", google("poll 429:34"), SUCCEEDED, (1, 2, 1)),
    Fault("503, HTML, cut off, 401, 429", google(*FLAPPING), SUCCEEDED, (1, 7, 1)),
    Fault("no response within the time-out", impatient(google("poll hang")), SUCCEEDED, (1, 2, 1)),
    Fault("no connection, three times", down, SUCCEEDED, (1, 1, 1)),
    Fault("500 every time", google("poll 500 for ever"), "provider.timeout", (1, 25, 0)),
    Fault("404: the operation is unknown", google("poll 404"), "provider.rejected", (1, 1, 0)),
    Fault("404: a wrong `VEO_API_VERSION`", wrong_version, SUCCEEDED, (1, 2, 1)),
    Fault("never done", never_done, "provider.timeout", (1, 1, 0)),
    Fault("no workers for two hours", all_workers_away, SUCCEEDED, (1, 1, 1)),
    Fault("no API key for an hour", key_taken_away, SUCCEEDED, (1, 1, 1)),
    Fault("done, but filtered", google("done filtered"), "safety.output", (1, 1, 0)),
    Fault("done, but filtered (text)", google("done filtered-text"), "safety.output", (1, 1, 0)),
    Fault("done with an error about safety", google("done unsafe"), "safety.prompt", (1, 1, 0)),
    Fault("done with error 3", google("done error3"), "input.unsupported", (1, 1, 0)),
    Fault("done, but a bucket is needed", google("done large"), "provider.rejected", (1, 1, 0)),
    Fault("done with error 7", google("done error7"), "provider.rejected", (1, 1, 0)),
    Fault("done with error 8", google("done error8"), "provider.unavailable", (1, 1, 0)),
    Fault("done with error 13", google("done error"), "provider.unavailable", (1, 1, 0)),
    Fault("done with error 14", google("done error14"), "provider.unavailable", (1, 1, 0)),
    Fault("done, without a video", google("done empty"), "provider.unavailable", (1, 1, 0)),
    Fault("the response is cut off, once", google("done truncated"), SUCCEEDED, (1, 2, 1)),
    Fault("half an MP4, twice", google("done half x2"), SUCCEEDED, (1, 3, 1)),
    Fault("always half an MP4", google("done half for ever"), "provider.unavailable", (1, 3, 0)),
    Fault("not an MP4", google("done notmp4 for ever"), "provider.unavailable", (1, 3, 0)),
    Fault("the staging disk is full, twice", no_space_twice, SUCCEEDED, (1, 3, 1)),
    Fault(
        "the staging disk is full, `VIDEO_STORE_DEADLINE_HOURS=1`",
        within_an_hour(no_space),
        "storage.failed",
        (1, 21, 0),
    ),
    Fault("a bug of our own", our_mistake, "internal", (1, 25, 0)),
]
