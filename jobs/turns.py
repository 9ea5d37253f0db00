"""When each user was last served, that is, when a job of the user was last started."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobs.models import Turn, VideoJob

STEP = timedelta(microseconds=1)  # between jobs that start together, so that their order is kept


def served(*, jobs: Sequence[VideoJob], now: datetime) -> None:
    """Record that `jobs` start, in this order, and in each job what `give_back` needs."""
    users = {job.user_id for job in jobs}
    latest = dict(Turn.objects.filter(user__in=users).values_list("user", "served_at"))
    for number, job in enumerate(jobs):
        job.served_before, job.served_at = latest.get(job.user_id), now + number * STEP
        latest[job.user_id] = job.served_at
    Turn.objects.bulk_create(
        [Turn(user_id=user_id, served_at=latest[user_id]) for user_id in users],
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=["served_at"],
    )


def give_back(*, job: VideoJob) -> None:
    """Undo `served` for a job that the provider did not accept, unless another has started since.

    The user keeps the turn.
    """
    Turn.objects.filter(user=job.user_id, served_at=job.served_at).update(
        served_at=job.served_before
    )
