"""When a job of each user was last started (served)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from jobs.models import Turn, VideoJob
from jobs.models.waiting_line import Starts

STEP = timedelta(microseconds=1)  # between jobs that start together, so that their order is kept


def served(*, jobs: Sequence[VideoJob], now: datetime) -> None:
    """Record that `jobs` start, in this order, and in each job what `give_back` needs."""
    users = {job.user_id for job in jobs}
    latest = dict(Turn.objects.filter(user__in=users).values_list("user", "served_at"))
    starts = {user_id: Starts(before=latest.get(user_id)) for user_id in users}
    for number, job in enumerate(jobs):
        job.starts = starts[job.user_id]
        job.starts.times[job.pk] = now + number * STEP
    Turn.objects.bulk_create(
        [
            Turn(user_id=user_id, served_at=max(of_user.times.values()))
            for user_id, of_user in starts.items()
        ],
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=["served_at"],
    )


def give_back(*, job: VideoJob) -> None:
    """Undo `served` for a job that the provider did not accept, unless a later claim has started
    another job of the user.
    """
    if (starts := job.starts) is None:
        return
    starts.refused.add(job.pk)
    counted = [time for pk, time in starts.times.items() if pk not in starts.refused]
    Turn.objects.filter(user=job.user_id, served_at__in=starts.times.values()).update(
        served_at=max(counted, default=starts.before)
    )
