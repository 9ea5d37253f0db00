"""How many jobs each user has, written down: to count a hundred thousand takes longer than all else
that a list of fifty needs.

Orders of one user follow each other, so nobody waits for this row who would not wait anyway.
`check_ledger` tells where a count is not true.
"""

from uuid import UUID

from django.db.models import F, IntegerField

from accounts.prepared import Param, Select, Update, key
from jobs.models import JobCount

A_TOTAL = Select(lambda: JobCount.objects.filter(user=key("user")).values_list("jobs", flat=True))
MORE = Update(
    lambda: JobCount.objects.filter(user=key("user")),
    jobs=F("jobs") + Param("more", IntegerField()),
)


def add(*, user_id: UUID, jobs: int) -> None:
    """Change the count by `jobs`, in the transaction that makes or removes them."""

    def changed(rows: int) -> None:
        if not rows:  # the user's first order
            JobCount.objects.create(user_id=user_id, jobs=jobs)

    MORE.then(changed, user=user_id, more=jobs)


def total(*, user_id: UUID | None) -> int:
    return next((jobs for (jobs,) in A_TOTAL.rows(user=user_id)), 0)
