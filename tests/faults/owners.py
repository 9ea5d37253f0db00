"""The job's owner cancels or deletes it during a step."""

from jobs.models import Stage
from tests.faults.fault import BACK, CANCELLED, GONE, KEPT, Fault
from tests.faults.studio import Studio


def cancels_waiting(studio: Studio) -> None:
    studio.order()
    studio.cancel()
    studio.tick()


def cancels_after_503(studio: Studio) -> None:
    studio.google.fail("create", "503")
    studio.order()
    studio.tick()
    studio.cancel()
    studio.later(3600)
    studio.tick()


def cancels_submitting(studio: Studio) -> None:
    studio.order()
    studio.meanwhile(studio.cancel)
    studio.tick()


def cancels_an_unknown_submission(studio: Studio) -> None:
    studio.google.fail("create", "cut")
    cancels_submitting(studio)


def cancels_generating(studio: Studio) -> None:
    studio.order()
    studio.tick()
    studio.cancel()
    studio.later(3600)
    studio.tick()


def cancels_polling(studio: Studio) -> None:
    """During the poll that returns the video."""
    studio.order()
    studio.tick()
    studio.wait()
    studio.meanwhile(studio.cancel)
    studio.tick()


def cancels_storing(studio: Studio) -> None:
    """During the upload."""
    studio.order()
    studio.reach(Stage.STORING)
    studio.meanwhile(studio.cancel)
    studio.store()


def deletes_storing(studio: Studio) -> None:
    studio.order()
    studio.reach(Stage.STORING)
    studio.meanwhile(studio.delete)
    studio.store()


def deletes_submitting(studio: Studio) -> None:
    studio.order()
    studio.meanwhile(studio.delete)
    studio.tick()


def deletes_an_unknown_submission(studio: Studio) -> None:
    studio.google.fail("create", "500")
    deletes_submitting(studio)


def deletes_generating(studio: Studio) -> None:
    studio.order()
    studio.tick()
    studio.delete()
    studio.later(3600)
    studio.tick()


def deletes_polling(studio: Studio) -> None:
    studio.order()
    studio.tick()
    studio.wait()
    studio.meanwhile(studio.delete)
    studio.tick()


FAULTS = [
    Fault("cancelled while it waits", cancels_waiting, CANCELLED, (0, 0, 0)),
    Fault("cancelled after a 503", cancels_after_503, CANCELLED, (1, 0, 0)),
    Fault("cancelled while it is submitted", cancels_submitting, CANCELLED, (1, 0, 0)),
    Fault(
        "cancelled, and the connection is cut",
        cancels_an_unknown_submission,
        CANCELLED,
        (1, 0, 0),
    ),
    Fault("cancelled while generating", cancels_generating, CANCELLED, (1, 0, 0), KEPT),
    Fault("cancelled as the video arrives", cancels_polling, CANCELLED, (1, 1, 0), KEPT),
    Fault("cancelled while it is stored", cancels_storing, CANCELLED, (1, 1, 1), KEPT),
    Fault("deleted while it is submitted", deletes_submitting, GONE, (1, 0, 0), BACK),
    Fault("deleted, and the response is 500", deletes_an_unknown_submission, GONE, (1, 0, 0), BACK),
    Fault("deleted while generating", deletes_generating, GONE, (1, 0, 0), KEPT),
    Fault("deleted as the video arrives", deletes_polling, GONE, (1, 1, 0), KEPT),
    Fault("deleted while it is stored", deletes_storing, GONE, (1, 1, 1), KEPT),
]
