"""Stored counts of each user's jobs: counting 100,000 rows takes longer than the rest of a request
for a list of fifty.

The row is locked last in each transaction, after the job and the account. Processes of the previous
version do not count final statuses: `repair`, which runs every hour, corrects that.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q

from jobs.models import JobCount, VideoJob
from jobs.statuses import FINAL

logger = logging.getLogger(__name__)

MAX_REPAIRS = 1_000  # users, in one run
COLUMNS = ("jobs", *(status.lower() for status in FINAL))


def created(job: VideoJob) -> None:
    """Count a new job, in the transaction that inserts it."""
    if not _add(job.user_id, jobs=1):
        JobCount.objects.create(user_id=job.user_id, jobs=1)  # the user's first job


def ended(job: VideoJob) -> None:
    """Count the job's final status, in the transaction that sets it."""
    _add(job.user_id, **{job.status.lower(): 1})


def deleted(jobs: Iterable[VideoJob]) -> None:
    """Remove jobs that have ended from the counts, in the transaction that deletes them.

    The rows are locked in the order of their users, as every transaction does with several.
    """
    numbers: dict[UUID, Counter[str]] = defaultdict(Counter)
    for job in jobs:
        numbers[job.user_id].update(("jobs", job.status.lower()))
    for user_id in sorted(numbers):
        _add(user_id, **{column: -number for column, number in numbers[user_id].items()})


def _add(user_id: UUID, **numbers: int) -> int:
    changes = {column: F(column) + number for column, number in numbers.items()}
    return JobCount.objects.filter(user=user_id).update(**changes)


def of_user(user_id: UUID) -> JobCount:
    """The user's counts, all of which are 0 without a row."""
    row = JobCount.objects.filter(user=user_id).first()
    return row or JobCount(user_id=user_id, jobs=0)


def total(*, user_id: UUID, statuses: Collection[str] = ()) -> int:
    """How many jobs of these statuses the user has; of all statuses if none is given."""
    counts = of_user(user_id)
    if not statuses:
        return counts.jobs
    active = [status for status in statuses if status not in FINAL]
    found: int = sum(getattr(counts, status.lower()) for status in statuses if status in FINAL)
    if active:
        found += VideoJob.objects.filter(user=user_id, status__in=active).count()
    return found


def repair() -> int:
    """Correct the counts that differ from the jobs; return the number of users corrected."""
    actual = {f"actual_{column}": count for column, count in _counts("user__video_jobs__").items()}
    wrong = Q()
    for column in COLUMNS:
        wrong |= ~Q(**{column: F(f"actual_{column}")})
    rows = JobCount.objects.annotate(**actual).filter(wrong).values_list("user", flat=True)
    users = list(rows[:MAX_REPAIRS])
    for user_id in users:
        recount(user_id=user_id)
    return len(users)


def recount(*, user_id: UUID) -> None:
    """Count the user's jobs, under the lock that every transaction takes that changes them."""
    with transaction.atomic():
        JobCount.objects.select_for_update().get(user=user_id)
        counted = VideoJob.objects.filter(user=user_id).aggregate(**_counts(""))
        JobCount.objects.filter(user=user_id).update(**counted)
    logger.warning("corrected the job counts of user %s", user_id)


def _counts(prefix: str) -> dict[str, Count]:
    """Aggregates for the columns; `prefix` is that of the lookups of the jobs' fields."""
    jobs = f"{prefix}pk"
    statuses = {
        status.lower(): Count(jobs, filter=Q(**{f"{prefix}status": status})) for status in FINAL
    }
    return {"jobs": Count(jobs), **statuses}
