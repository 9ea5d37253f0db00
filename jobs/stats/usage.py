"""What a user spent, by day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate

from jobs.models import VideoJob
from tokens_ledger.models import Entry


def by_day(*, user: Any, days: int, now: datetime) -> Iterator[dict[str, Any]]:
    """The jobs created, and the tokens charged and refunded, on each of the last `days` days, today
    first. Days are in UTC. Jobs that were deleted are not counted.
    """
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
        date = today - timedelta(days=age)
        row = spent.get(date, {"charges": 0, "refunds": 0})
        yield {
            "date": date,
            "jobs": created.get(date, 0),
            "charges": -row["charges"],
            "refunds": row["refunds"],
        }
