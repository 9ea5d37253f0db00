"""The owner removes a stored video, and its deletion fails."""

import pytest
from django.utils import timezone

from jobs.worker import removals
from tests.faults.fault import SUCCEEDED, Fault, Play
from tests.faults.storing import WRONG
from tests.faults.studio import Killed, Studio


def ordered(studio: Studio) -> None:
    studio.order()
    studio.finish()
    assert studio.stored()


def fails(fault: str, *, times: int = 1) -> Play:
    """Cloudinary answers the first deletions so."""

    def play(studio: Studio) -> None:
        studio.impatient()
        ordered(studio)
        studio.cloudinary.fail("destroy", fault, times=times)
        studio.remove()
        for _ in range(times):
            studio.delete_files()
            assert studio.stored()
        studio.delete_files()

    return play


def down(studio: Studio) -> None:
    ordered(studio)
    studio.remove()
    with studio.outage(studio.cloudinary):
        for _ in range(3):
            studio.delete_files()
    studio.delete_files()


def wrong_secret(studio: Studio) -> None:
    right = studio.settings.CLOUDINARY_STORAGE
    ordered(studio)
    studio.remove()
    studio.settings.CLOUDINARY_STORAGE = WRONG
    studio.delete_files()
    studio.settings.CLOUDINARY_STORAGE = right
    studio.delete_files()


def worker_dies(studio: Studio) -> None:
    """After the deletion, before it is recorded."""

    def die(*answer: object, **options: object) -> None:
        raise Killed

    ordered(studio)
    studio.remove()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removals, "_record", die)
        with pytest.raises(Killed):
            studio.delete_files()
    assert removals._claim(now=timezone.now()) == []  # until the lease ends
    studio.delete_files()


def removed_twice(studio: Studio) -> None:
    ordered(studio)
    studio.remove()
    studio.delete_files()
    studio.remove()


def _fault(name: str, play: Play) -> Fault:
    return Fault(name, play, SUCCEEDED, (1, 1, 1), is_removed=True)


FAULTS = [
    _fault("deleting: 500, three times", fails("500", times=3)),
    _fault("deleting: 429, once", fails("429")),
    _fault("deleting: cut off", fails("drop-before")),
    _fault("deleting: no response within the time-out", fails("hang")),
    _fault("deleting: a gateway's HTML page", fails("html")),
    _fault("deleting: a gateway's JSON", fails("504")),
    _fault("deleting: no connection, three times", down),
    _fault("deleting: wrong API secret", wrong_secret),
    _fault("deleting: the worker dies", worker_dies),
    _fault("removed a second time", removed_twice),
]
