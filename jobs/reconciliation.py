"""Compare the jobs with the ledger; run by `manage.py check_ledger`."""

from collections.abc import Iterator

from django.conf import settings
from django.db.models import CharField, Exists, Func, OuterRef

from jobs.models import Status, VideoJob
from tokens_ledger.models import Entry

MAX_FINDINGS = 1000  # of one kind


class AsReference(Func):
    """A job's id as the ledger stores it, with hyphens; SQLite stores UUIDs without."""

    output_field = CharField()
    template = "CAST(%(expressions)s AS varchar)"

    def as_sqlite(self, compiler, connection, **context):
        parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        template = " || '-' || ".join(f"substr(%(expressions)s, {a}, {n})" for a, n in parts)
        return self.as_sql(compiler, connection, template=f"({template})", **context)


def findings() -> Iterator[str]:
    """One sentence for each job whose charge or refund is wrong."""
    jobs = VideoJob.objects.annotate(reference=AsReference("id")).filter(tokens_consumed__gt=0)
    unrefunded = jobs.exclude(_paid(Entry.Kind.REFUND))
    yield from _say("was never charged", jobs.exclude(_paid(Entry.Kind.CHARGE)))
    yield from _say(
        "shows a refund that the ledger lacks", unrefunded.filter(tokens_refunded__gt=0)
    )
    yield from _say(
        "was cancelled before its submission and was not refunded",
        unrefunded.filter(status=Status.CANCELLED, submitted_at=None),
    )
    if settings.VIDEO_REFUND_FAILED_JOBS:
        yield from _say("failed and was not refunded", unrefunded.filter(status=Status.FAILED))


def _paid(kind: Entry.Kind) -> Exists:
    """Whether the ledger has an entry of this kind for the job.

    EXISTS, not IN: PostgreSQL does not turn NOT IN into a join. Once the references of all entries
    no longer fit into `work_mem`, it compares each job with each entry.
    """
    return Exists(Entry.objects.filter(kind=kind, reference=OuterRef("reference")))


def _say(what: str, jobs) -> Iterator[str]:
    for id in jobs.order_by("created_at").values_list("id", flat=True)[:MAX_FINDINGS]:
        yield f"Job {id} {what}."
