"""Stored videos that belong to no job: what deleted jobs and killed workers left."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db.models import Q

from jobs.models import ACTIVE, VideoJob
from jobs.storage import videos
from jobs.storage.base import video_name

MIN_AGE = timedelta(days=1)
BATCH_SIZE = 500  # SQLite limits a statement's parameters


def sweep(*, delete: bool, now: datetime) -> Iterator[str]:
    """The name of each orphan older than MIN_AGE, after it was deleted, if `delete`.

    Raises StorageError.
    """
    storage = videos()
    stored = storage.stored_before(moment=now - MIN_AGE)
    while batch := list(islice(stored, BATCH_SIZE)):
        for job_id in sorted(set(batch) - _in_use(batch)):
            if delete:
                storage.delete_video(name=video_name(job_id))
            yield video_name(job_id)


def _in_use(ids: list[UUID]) -> set[UUID]:
    """Those whose job has a video or, because it is active, may get one."""
    used = ~Q(video_url="") | Q(status__in=ACTIVE)
    return set(VideoJob.objects.filter(used, pk__in=ids).values_list("pk", flat=True))
