"""What a user spent, by day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate

from jobs.models import VideoJob
from tokens_ledger.models import Entry


@dataclass(frozen=True)
class DayUsage:
    """A UTC day: the number of jobs created, and the tokens charged and refunded."""

    date: date
    jobs: int
    charges: int
    refunds: int


def by_day(*, user: Any, days: int, now: datetime) -> Iterator[DayUsage]:
    """The last `days` days, today first. Jobs that were deleted are not counted."""
    today = now.astimezone(UTC).date()
    start = datetime.combine(today - timedelta(days=days - 1), datetime.min.time(), UTC)
    day = TruncDate("created_at", tzinfo=UTC)
    entries = Entry.objects.filter(account=user.pk, created_at__gte=start)
    tokens = entries.values(day=day).annotate(
        charges=Sum("amount", filter=Q(kind=Entry.Kind.CHARGE), default=0),
        refunds=Sum("amount", filter=Q(kind=Entry.Kind.REFUND), default=0),
    )
    jobs = VideoJob.objects.for_user(user).filter(created_at__gte=start)
    created = dict(jobs.values(day=day).annotate(jobs=Count("pk")).values_list("day", "jobs"))
    spent = {row["day"]: row for row in tokens}
    for age in range(days):
        date_ = today - timedelta(days=age)
        row = spent.get(date_, {"charges": 0, "refunds": 0})
        yield DayUsage(date_, created.get(date_, 0), -row["charges"], row["refunds"])
