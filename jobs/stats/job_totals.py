"""A stored count of each user's jobs: counting 100,000 rows takes longer than the rest of a request
for a list of fifty.

A user's requests are serialized by the account lock already, so this row adds no waiting.
`check_ledger` reports wrong counts.
"""

from uuid import UUID

from django.db.models import F

from jobs.models import JobCount


def add(*, user_id: UUID, jobs: int) -> None:
    """Change the count by `jobs`, in the transaction that creates or deletes them."""
    if not JobCount.objects.filter(user=user_id).update(jobs=F("jobs") + jobs):
        JobCount.objects.create(user_id=user_id, jobs=jobs)  # the user's first job


def total(*, user_id: UUID | None) -> int:
    found = JobCount.objects.filter(user=user_id).values_list("jobs", flat=True)
    return found.first() or 0
