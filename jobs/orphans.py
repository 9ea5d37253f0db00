"""Stored videos that belong to no job: what deleted jobs and killed workers left."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import Q

from jobs.models import ACTIVE, VideoJob
from jobs.storage import videos
from jobs.storage.base import job_of

MIN_AGE = timedelta(days=1)
BATCH_SIZE = 500  # SQLite limits a statement's parameters


def sweep(*, delete: bool, now: datetime) -> Iterator[str]:
    """The name of each orphan older than MIN_AGE, after it was deleted, if `delete`.

    Raises StorageError.
    """
    storage = videos()
    stored = storage.stored_before(moment=now - MIN_AGE)
    while batch := list(islice(stored, BATCH_SIZE)):
        for name in _orphans(batch):
            if delete:
                storage.delete_video(name=name)
            yield name


def _orphans(names: list[str]) -> list[str]:
    """Those that are not the video of their job. An active job may get any of its names."""
    of_job = {name: job_of(name) for name in names}
    jobs = VideoJob.objects.filter(pk__in=[job_id for job_id in of_job.values() if job_id])
    used = jobs.filter(~Q(video_url="") | Q(status__in=ACTIVE))
    videos_of = {
        pk: None if status in ACTIVE else video.removesuffix(".mp4")
        for pk, status, video in used.values_list("pk", "status", "video_name")
    }
    return [
        name
        for name in names
        if (job_id := of_job[name]) not in videos_of or videos_of[job_id] not in (None, "", name)
    ]
