"""A worker dies during a step, or answers after the job has ended."""

from jobs.models import Stage
from jobs.worker import leases
from tests.faults.fault import KEPT, SUCCEEDED, Fault, google
from tests.faults.studio import NEVER, Studio

LATER = leases.LEASE.total_seconds() + 1


def dies_submitting(studio: Studio) -> None:
    studio.order()
    studio.die(studio.tick)
    studio.finish()


def dies_polling(studio: Studio, times: int = 3) -> None:
    studio.order()
    studio.reach(Stage.GENERATING)
    for _ in range(times):
        studio.wait()
        studio.die(studio.tick)
    studio.finish()


def dies_polling_twice(studio: Studio) -> None:
    dies_polling(studio, times=2)


def dies_storing(studio: Studio, times: int = 3) -> None:
    studio.order()
    studio.reach(Stage.STORING)
    for _ in range(times):
        studio.wait()
        studio.die(studio.store)
    studio.finish()


def dies_storing_twice(studio: Studio) -> None:
    dies_storing(studio, times=2)


def submits_too_slowly(studio: Studio) -> None:
    """Its lease ends twice, and another worker fails the job before the answer is recorded."""

    def given_up() -> None:
        for _ in range(2):
            studio.later(LATER)
            studio.tick()

    studio.order()
    studio.meanwhile(given_up)
    studio.tick()


def submits_slowly(studio: Studio) -> None:
    """Its lease ends, as in a long outage of the database, before the answer is recorded."""

    def delayed() -> None:
        studio.later(LATER)
        studio.tick()

    studio.order()
    studio.meanwhile(delayed)
    studio.tick()
    studio.finish()


def polls_too_slowly(studio: Studio) -> None:
    """It has the video, but its lease and the deadline are over, and another worker, whose poll
    failed, has ended the job."""

    def given_up() -> None:
        studio.google.fail("poll", "503")
        studio.later(studio.settings.VIDEO_JOB_DEADLINE_SECONDS)
        studio.tick()

    studio.order()
    studio.tick()
    studio.wait()
    studio.meanwhile(given_up)
    studio.tick()


def stores_too_slowly(studio: Studio) -> None:
    """It has stored the video, but its lease is over, and another worker stores it too."""

    def done_by_another() -> None:
        studio.later(LATER)
        studio.store()

    studio.order()
    studio.reach(Stage.STORING)
    studio.wait()
    studio.meanwhile(done_by_another)
    studio.store()


def refunds_turned_off(studio: Studio) -> None:
    studio.settings.VIDEO_REFUND_FAILED_JOBS = False
    google("create 403")(studio)


def deadline_without_refunds(studio: Studio) -> None:
    studio.settings.VIDEO_REFUND_FAILED_JOBS = False
    studio.google.seconds = NEVER
    studio.order()
    studio.tick()
    studio.later(studio.settings.VIDEO_JOB_DEADLINE_SECONDS)
    studio.finish()


FAULTS = [
    Fault(
        "a worker dies while submitting",
        dies_submitting,
        "provider.unknown_submission",
        (1, 0, 0),
    ),
    Fault("the order is accepted after the lease", submits_slowly, SUCCEEDED, (1, 1, 1)),
    Fault("two workers die while polling", dies_polling_twice, SUCCEEDED, (1, 3, 1)),
    Fault("three workers die while polling", dies_polling, "internal", (1, 3, 0)),
    Fault("two workers die while storing", dies_storing_twice, SUCCEEDED, (1, 1, 3)),
    Fault("three workers die while storing", dies_storing, "internal", (1, 1, 3)),
    Fault(
        "the order is accepted too late",
        submits_too_slowly,
        "provider.unknown_submission",
        (1, 0, 0),
    ),
    Fault("the video arrives too late", polls_too_slowly, "provider.timeout", (1, 2, 0)),
    Fault("two workers store the same video", stores_too_slowly, SUCCEEDED, (1, 1, 2)),
    Fault(
        "403, `VIDEO_REFUND_FAILED_JOBS=false`",
        refunds_turned_off,
        "provider.rejected",
        (1, 0, 0),
        KEPT,
    ),
    Fault(
        "never done, `VIDEO_REFUND_FAILED_JOBS=false`",
        deadline_without_refunds,
        "provider.timeout",
        (1, 1, 0),
        KEPT,
    ),
]
