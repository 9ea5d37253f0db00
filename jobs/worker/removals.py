"""Delete removed videos from the storage, in a thread beside the worker's tasks.

Not in a task, because a storage that does not answer would occupy one of few workers. Any process
may delete: a claim is a lease, so what a dead process had claimed is due again when the lease ends.
Deleting a video twice does no harm. A failed deletion is tried again without end; staff see it.
"""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from jobs.models import VideoRemoval
from jobs.stats import call_metrics
from jobs.storage import videos_at
from jobs.storage.base import DELETE_THREADS, StorageError
from jobs.worker.shared import state

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)  # must outlast the time-outs of one deletion
MAX_BACK_OFF = 300  # seconds

_thread: threading.Thread | None = None


def start_due() -> None:
    """Start this process's thread if something is due and it does not run."""
    global _thread
    if _thread is not None and _thread.is_alive():
        return
    if not VideoRemoval.objects.filter(next_try_at__lte=timezone.now()).exists():
        return
    # Not a daemon: at the process's end it records what it has deleted.
    _thread = threading.Thread(target=_run, name="removals")
    _thread.start()


def _run() -> None:
    try:
        remove_due()
    except Exception:
        logger.exception("the removal of videos ended")  # the leases end, and the tick starts again
    finally:
        connection.close()


def remove_due() -> None:
    """Delete all that is due, DELETE_THREADS videos at a time."""
    with ThreadPoolExecutor(DELETE_THREADS) as pool:
        while claimed := _claim(now=timezone.now()):
            errors = list(pool.map(_delete, claimed))
            _record(claimed, errors, now=timezone.now())
            if state.is_stopping or not threading.main_thread().is_alive():
                break


def _claim(*, now: datetime) -> list[VideoRemoval]:
    """Lease the rows that are due longest; single removals before bulk removals."""
    claimed: list[VideoRemoval] = []
    with transaction.atomic():
        for is_bulk in (False, True):
            due = VideoRemoval.objects.filter(is_bulk=is_bulk, next_try_at__lte=now)
            locked = due.select_for_update(skip_locked=True).order_by("next_try_at")
            claimed += locked[: DELETE_THREADS - len(claimed)]
        VideoRemoval.objects.filter(pk__in=[removal.pk for removal in claimed]).update(
            next_try_at=now + LEASE, attempts=F("attempts") + 1
        )
    for removal in claimed:
        removal.next_try_at = now + LEASE
        removal.attempts += 1
    return claimed


def _delete(removal: VideoRemoval) -> str:
    """In a thread, without the database. Returns why the video could not be deleted, or ""."""
    try:
        with call_metrics.storage("delete"):
            videos_at(is_local=removal.is_local).delete_video(name=removal.name)
    except StorageError as error:
        return str(error)
    except Exception as error:
        logger.exception("a removal failed unexpectedly", extra={"job": str(removal.job_id)})
        return type(error).__name__
    return ""


def _record(claimed: Sequence[VideoRemoval], errors: Sequence[str], *, now: datetime) -> None:
    """Delete the rows whose files are gone; schedule another try for the others.

    A row whose due time was changed since the claim stays: a file was stored meanwhile.
    """
    for removal, error in zip(claimed, errors, strict=True):
        row = VideoRemoval.objects.filter(pk=removal.pk, next_try_at=removal.next_try_at)
        if error:
            delay = min(MAX_BACK_OFF, 2 ** min(removal.attempts, 10))
            row.update(next_try_at=now + timedelta(seconds=delay), last_error=error[:200])
        else:
            row.delete()
            logger.info("video deleted", extra={"job": str(removal.job_id)})
