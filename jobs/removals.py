"""Remove videos: clear the job's URLs, and write the outbox row for the storage.

Every cause writes the row with `queue`, in the transaction that changes or deletes the job. Workers
delete the files (`jobs/worker/removals.py`). A removal cannot be undone, and changes no tokens.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts.models import User
from jobs import events
from jobs.models import ACTIVE, JobEvent, Status, VideoJob, VideoRemoval
from jobs.storage.base import video_name

Cause = VideoRemoval.Cause
OWNER, AGE = "owner", "age"  # reasons; staff's is a sentence
# A worker may still upload the video of a job that another process ended.
STORE_MAY_TAKE = timedelta(minutes=10)


class StillActive(Exception):
    """The job has not ended yet."""


class NoVideo(Exception):
    """The job never had a video."""


class AlreadyRemoved(Exception):
    """The job's video was removed before."""


def remove(*, job: VideoJob, now: datetime) -> VideoJob:
    """Remove the video of an ended job, for its owner; a job without its video is unchanged.

    Raises StillActive, NoVideo, and VideoJob.DoesNotExist if the job was deleted meanwhile.
    """
    with transaction.atomic():
        job = _ended(job)
        if job.video_removed_at is None:
            _remove([job], Cause.OWNER, OWNER, "🗑️ Video removed by user", now)
    return job


def take_down(*, job: VideoJob, actor: User, reason: str, now: datetime) -> None:
    """Remove the video of an ended job, for staff. The owner reads the reason.

    Raises StillActive, NoVideo, AlreadyRemoved, and VideoJob.DoesNotExist.
    """
    with transaction.atomic():
        job = _ended(job)
        if job.video_removed_at is not None:
            raise AlreadyRemoved
        _remove([job], Cause.STAFF, reason, "🗑️ Video removed by support", now)
        events.add_by_staff(actor, job, "Taken down", reason, now)


def remove_by_age(*, jobs: Sequence[VideoJob], now: datetime) -> None:
    """Remove the videos of these jobs, whose rows the caller has locked."""
    message = f"🗑️ Video removed after {settings.VIDEO_KEEP_DAYS} days"
    _remove(jobs, Cause.AGE, AGE, message, now, is_bulk=True)


def queue(
    *,
    jobs: Collection[VideoJob],
    cause: str,
    now: datetime,
    is_bulk: bool = False,
    due_at: datetime | None = None,
) -> None:
    """Have the workers delete the files of these jobs, now or at `due_at`."""
    VideoRemoval.objects.bulk_create(
        [
            VideoRemoval(
                job_id=job.pk,
                name=job.video_name.removesuffix(".mp4") or video_name(job.pk),
                is_local=_is_local(job),
                cause=cause,
                is_bulk=is_bulk,
                created_at=now,
                next_try_at=due_at or now,
            )
            for job in jobs
        ],
        update_conflicts=True,
        unique_fields=["job_id"],
        update_fields=["next_try_at"],
    )


def job_ended_while_storing(*, job: VideoJob, now: datetime) -> None:
    """Queue what a worker may have stored, or may still be storing, of a job without a video."""
    queue(jobs=[job], cause=Cause.UNUSED, now=now, due_at=now + STORE_MAY_TAKE)


def stored_too_late(*, job: VideoJob, now: datetime) -> None:
    """A worker has stored the video of a job that had ended: queue the video for deletion.

    Not if the job has the video of another worker. For a deleted job, only a pending removal
    becomes due.
    """
    with transaction.atomic():
        current = VideoJob.objects.select_for_update().filter(pk=job.pk).first()
        if current is None:
            VideoRemoval.objects.filter(job_id=job.pk).update(next_try_at=now)
        elif current.status not in ACTIVE and not current.video_url:
            queue(jobs=[current], cause=Cause.UNUSED, now=now)


def _ended(job: VideoJob) -> VideoJob:
    """Lock and return the job, which has or had a video."""
    locked = VideoJob.objects.select_for_update().get(pk=job.pk)
    if locked.status in ACTIVE:
        raise StillActive
    if locked.status != Status.SUCCEEDED:
        raise NoVideo
    return locked


def _remove(
    jobs: Sequence[VideoJob],
    cause: str,
    reason: str,
    message: str,
    now: datetime,
    is_bulk: bool = False,
) -> None:
    queue(jobs=jobs, cause=cause, now=now, is_bulk=is_bulk)  # before the URLs are cleared
    changes = {
        "video_url": "",
        "poster_url": "",
        "video_removed_at": now,
        "video_removed_reason": reason,
    }
    ids = [job.pk for job in jobs]
    VideoJob.objects.filter(pk__in=ids).update(version=F("version") + 1, **changes)
    JobEvent.objects.bulk_create(JobEvent(job_id=pk, message=message, created_at=now) for pk in ids)
    for job in jobs:
        job.version += 1
        for name, value in changes.items():
            setattr(job, name, value)


def _is_local(job: VideoJob) -> bool:
    """Whether this server delivers the video; without one, where videos are stored now."""
    if not job.video_url:
        return not settings.USE_CLOUDINARY
    return not job.video_url.startswith(("http://", "https://"))
