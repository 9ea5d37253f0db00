"""Removal by age: videos after VIDEO_KEEP_DAYS, ended jobs after JOB_KEEP_DAYS.

Each batch is a short transaction that finds its rows by an index. Each run does a limited number
of batches, and the next hour's run continues. The ledger's entries and the metrics' counters stay.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from jobs import removals
from jobs.models import VideoJob, VideoRemoval
from jobs.querysets import VideoJobQuerySet
from jobs.stats import job_totals

BATCH_SIZE = 500  # rows; SQLite limits a statement's parameters
MAX_BATCHES = 20  # in one run, of each kind


def run(*, now: datetime) -> dict[str, int]:
    """Remove what is too old; return how many videos and jobs."""
    return {
        "videos": _in_batches(remove_videos, settings.VIDEO_KEEP_DAYS, now),
        "jobs": _in_batches(delete_jobs, settings.JOB_KEEP_DAYS, now),
    }


def remove_videos(*, before: datetime, now: datetime) -> int:
    """Remove a batch of videos that were stored before `before`; return how many."""
    with transaction.atomic():
        jobs = _locked(
            VideoJob.objects.with_video().filter(completed_at__lt=before), "completed_at"
        )
        removals.remove_by_age(jobs=jobs, now=now)
    return len(jobs)


def delete_jobs(*, before: datetime, now: datetime) -> int:
    """Delete a batch of jobs that ended before `before`, with their videos; return how many."""
    with transaction.atomic():
        # By the index of `created_at`: few of the oldest orders ended later than `before`.
        jobs = _locked(
            VideoJob.objects.ended().filter(created_at__lt=before, completed_at__lt=before),
            "created_at",
        )
        stored = [job for job in jobs if job.video_url]
        removals.queue(jobs=stored, cause=VideoRemoval.Cause.AGE, now=now, is_bulk=True)
        VideoJob.objects.filter(pk__in=[job.pk for job in jobs]).delete()
        job_totals.deleted(jobs)
    return len(jobs)


def _in_batches(go: Callable[..., int], days: int | None, now: datetime) -> int:
    if not days:
        return 0
    gone = 0
    for _ in range(MAX_BATCHES):
        gone += (batch := go(before=now - timedelta(days=days), now=now))
        if batch < BATCH_SIZE:
            break
    return gone


def _locked(jobs: VideoJobQuerySet, time: str) -> list[VideoJob]:
    """The oldest by `time`, except rows locked by others, which the next run finds."""
    wanted = jobs.order_by(time).only("user_id", "status", "version", "video_url", "video_name")
    return list(wanted.select_for_update(skip_locked=True)[:BATCH_SIZE])
