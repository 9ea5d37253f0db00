"""What must hold between the jobs and the ledger; `manage.py check_ledger` asks."""

from collections.abc import Iterator

from django.conf import settings
from django.db.models import CharField, Count, Func

from jobs.models import JobCount, Status, VideoJob
from tokens_ledger.models import Entry

LISTED = 1000  # findings of one kind; nobody reads more


class AsReference(Func):
    """A job's id as the ledger writes it, with hyphens; SQLite keeps UUIDs without."""

    output_field = CharField()
    template = "CAST(%(expressions)s AS varchar)"

    def as_sqlite(self, compiler, connection, **context):
        parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        template = " || '-' || ".join(f"substr(%(expressions)s, {a}, {n})" for a, n in parts)
        return self.as_sql(compiler, connection, template=f"({template})", **context)


def findings() -> Iterator[str]:
    """One sentence for each job whose money is not where it belongs."""
    charges = Entry.objects.filter(kind=Entry.Kind.CHARGE).values("reference")
    refunds = Entry.objects.filter(kind=Entry.Kind.REFUND).values("reference")
    jobs = VideoJob.objects.annotate(reference=AsReference("id")).filter(tokens_consumed__gt=0)
    unrefunded = jobs.exclude(reference__in=refunds)
    yield from _say("was never charged", jobs.exclude(reference__in=charges))
    yield from _say(
        "shows a refund that the ledger lacks", unrefunded.filter(tokens_refunded__gt=0)
    )
    yield from _say(
        "was cancelled before its submission and was not refunded",
        unrefunded.filter(status=Status.CANCELLED, submitted_at=None),
    )
    if settings.VIDEO_REFUND_FAILED_JOBS:
        yield from _say("failed and was not refunded", unrefunded.filter(status=Status.FAILED))

    yield from _miscounted()


def _miscounted() -> Iterator[str]:
    noted = dict(JobCount.objects.values_list("user", "jobs"))
    there = dict(VideoJob.objects.order_by().values_list("user").annotate(Count("pk")))
    for user in sorted({*noted, *there}, key=str):
        if noted.get(user, 0) != there.get(user, 0):
            yield f"User {user} has {there.get(user, 0)} jobs, not {noted.get(user, 0)} as noted."


def _say(what: str, jobs) -> Iterator[str]:
    for id in jobs.order_by("created_at").values_list("id", flat=True)[:LISTED]:
        yield f"Job {id} {what}."
