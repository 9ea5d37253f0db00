"""The video has arrived, and its storage fails."""

import math

from django.core.files.storage import FileSystemStorage

from jobs.models import Stage
from jobs.worker import staging
from tests.faults.fault import (
    SUCCEEDED,
    Fault,
    Play,
    cloudinary,
    disk_full,
    google,
    impatient,
    within_an_hour,
)
from tests.faults.studio import Studio

HOUR = "`VIDEO_STORE_DEADLINE_HOURS=1`"
WRONG = {"CLOUD_NAME": "test-cloud", "API_KEY": "test-cloudinary-key", "API_SECRET": "wrong-secret"}


def down(studio: Studio) -> None:
    """Cloudinary refuses three connections."""
    studio.order()
    studio.reach(Stage.STORING)
    with studio.outage(studio.cloudinary):
        studio.try_in_vain(studio.store)
    studio.finish()


def wrong_secret(studio: Studio) -> None:
    studio.settings.CLOUDINARY_STORAGE = WRONG
    google()(studio)


def failing_for_a_day(studio: Studio) -> None:
    """Cloudinary fails all day; 23 hours of it pass at once."""
    studio.cloudinary.fail("upload", "500", times=math.inf)
    studio.order()
    studio.reach(Stage.STORING)
    studio.try_in_vain(studio.store)
    studio.later(23 * 3600 + 30)  # so it ends in the middle of a minute
    studio.finish()


def at_the_last_moment(studio: Studio) -> None:
    """The video arrives a second before the deadline, and Cloudinary fails once."""
    studio.cloudinary.fail("upload", "500")
    studio.order()
    studio.tick()
    studio.later(studio.settings.VIDEO_JOB_DEADLINE_SECONDS - 1)
    studio.finish()


def mended_by_the_operator(studio: Studio) -> None:
    """The workers restart with the right secret after 23 hours."""
    right = studio.settings.CLOUDINARY_STORAGE
    studio.settings.CLOUDINARY_STORAGE = WRONG
    studio.order()
    studio.reach(Stage.STORING)
    studio.try_in_vain(studio.store)
    studio.later(23 * 3600)
    studio.restart(CLOUDINARY_STORAGE=right)
    studio.finish()


def staging_full(studio: Studio) -> None:
    """The staging folder is full until other videos have been stored."""
    studio.order()
    studio.settings.STAGING_MAX_BYTES = 1
    studio.job.refresh_from_db()
    studio.monkeypatch.setattr(staging, "is_filling", lambda: False)
    studio.reach(Stage.STORING)
    studio.try_in_vain(studio.store)
    studio.settings.STAGING_MAX_BYTES = 100_000_000
    studio.finish()


def elsewhere(*script: str) -> Play:
    """Another machine has the video; this one fetches it again, after these faults."""

    def play(studio: Studio) -> None:
        studio.order()
        studio.reach(Stage.STORING)
        staging.delete(studio.job.pk)
        for line in script:
            studio.google.fail(*line.split())
        studio.finish()

    return play


def power_failure(studio: Studio) -> None:
    """The machine lost the end of the staged file."""
    studio.order()
    studio.reach(Stage.STORING)
    staged = staging.video_path(studio.job.pk)
    staged.write_bytes(staged.read_bytes()[:100])
    studio.finish()


def on_this_disk(*, times: float) -> Play:
    """Without Cloudinary, with a disk that is full this many times."""

    def play(studio: Studio) -> None:
        local = {"videos": {"BACKEND": "jobs.storage.local.LocalVideos"}}
        studio.settings.STORAGES = studio.settings.STORAGES | local
        disk_full(studio, FileSystemStorage, "_save", times=times)
        google()(studio)

    return play


disk_never_free = within_an_hour(on_this_disk(times=1e9))


def once(fault: str) -> Play:
    return cloudinary(f"upload {fault}")


FAULTS = [
    Fault("500, once", once("500"), SUCCEEDED, (1, 1, 2)),
    Fault("503 three times", cloudinary("upload 503 x3"), SUCCEEDED, (1, 1, 4)),
    Fault("429, once", once("429"), SUCCEEDED, (1, 1, 2)),
    Fault("cut off before it was stored", once("drop-before"), SUCCEEDED, (1, 1, 2)),
    Fault("cut off after it was stored", once("drop-after"), SUCCEEDED, (1, 1, 2)),
    Fault("a response after one second", once("slow:1"), SUCCEEDED, (1, 1, 1)),
    Fault("no response within the time-out", impatient(once("hang")), SUCCEEDED, (1, 1, 2)),
    Fault("a gateway's HTML page", once("html"), SUCCEEDED, (1, 1, 2)),
    Fault("a gateway's JSON", once("504"), SUCCEEDED, (1, 1, 2)),
    Fault("the response has another size", once("short"), SUCCEEDED, (1, 1, 2)),
    Fault("the response has no URL", once("no-secure-url"), SUCCEEDED, (1, 1, 2)),
    Fault("no connection, three times", down, SUCCEEDED, (1, 1, 1)),
    Fault("500 for a day", failing_for_a_day, "storage.failed", (1, 1, 20)),
    Fault("500 at the last moment", at_the_last_moment, SUCCEEDED, (1, 1, 2)),
    Fault("400", once("400"), "storage.failed", (1, 1, 1)),
    Fault("401, three times", cloudinary("upload 401 x3"), SUCCEEDED, (1, 1, 4)),
    Fault("403, three times", cloudinary("upload 403 x3"), SUCCEEDED, (1, 1, 4)),
    Fault("wrong API secret for 23 hours", mended_by_the_operator, SUCCEEDED, (1, 1, 4)),
    Fault(f"wrong API secret, {HOUR}", within_an_hour(wrong_secret), "storage.failed", (1, 1, 20)),
    Fault("another machine has the video", elsewhere(), SUCCEEDED, (1, 2, 1)),
    Fault("another has it; poll 503, once", elsewhere("poll 503"), SUCCEEDED, (1, 3, 1)),
    Fault("another has it; poll 404", elsewhere("poll 404"), "provider.rejected", (1, 2, 0)),
    Fault("the staged file is cut off", power_failure, SUCCEEDED, (1, 2, 1)),
    Fault("the staging folder is full, for a while", staging_full, SUCCEEDED, (1, 5, 1)),
    Fault("this machine's disk is full, twice", on_this_disk(times=2), SUCCEEDED, (1, 1, 0)),
    Fault(f"this machine's disk is full, {HOUR}", disk_never_free, "storage.failed", (1, 1, 0)),
]
