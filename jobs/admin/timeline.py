"""The timeline of a job: its log, the provider, the storage, the tokens, the webhook.

`internal` moments are never shown to clients.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q
from django.template.defaultfilters import filesizeformat

from jobs.models import JobEvent, Status, VideoJob, WebhookDelivery
from tokens_ledger.models import Entry
from videostudio.core import formatting

MAX_EVENTS = 1_000
FAILED = WebhookDelivery.Status.FAILED
LONG_GAP = 60  # seconds


@dataclass(frozen=True)
class Moment:
    """`kind`: log, staff, upstream, storage, tokens or webhook. `gap`: the time since the previous
    moment.
    """

    at: datetime
    kind: str
    what: str
    detail: str = ""
    level: str = JobEvent.Level.INFO.value
    actor: str = ""
    internal: bool = False
    gap: str = ""
    long: bool = False


def of(job: VideoJob) -> list[Moment]:
    """The moments of `job`, oldest first; simultaneous ones in the order of their rows."""
    moments = [
        *_order(job),
        *_events(job),
        *_upstream(job),
        *_storage(job),
        *_tokens(job),
        *_webhook(job),
    ]
    moments.sort(key=lambda moment: moment.at)
    return [
        replace(moment, **_gap(before, moment))
        for before, moment in zip([None, *moments], moments, strict=False)
    ]


def _gap(before: Moment | None, moment: Moment) -> dict:
    passed = (moment.at - before.at).total_seconds() if before else 0
    shown = f"+{formatting.format_duration(passed)}" if passed >= 0.05 else ""
    return {"gap": shown, "long": passed >= LONG_GAP}


def _order(job: VideoJob) -> Iterator[Moment]:
    if job.api_key_prefix:
        what = f"Ordered with API key {job.api_key_prefix}"
        yield Moment(job.created_at, "log", what, internal=True)


def _events(job: VideoJob) -> Iterator[Moment]:
    """The newest events and all staff actions; one line with the number of the omitted ones."""
    events = job.events.select_related("actor").order_by("-id")
    shown = list(events[: MAX_EVENTS + 1])
    if len(shown) > MAX_EVENTS:
        oldest = shown[MAX_EVENTS - 1]
        earlier = events.filter(pk__lt=oldest.pk)
        left_out = earlier.filter(actor=None).count()
        shown[MAX_EVENTS:] = earlier.exclude(actor=None)
        what = "1 earlier line is" if left_out == 1 else f"{left_out:,} earlier lines are"
        if left_out:
            yield Moment(oldest.created_at, "log", f"{what} not shown", internal=True)
    for event in reversed(shown):
        yield Moment(
            at=event.created_at,
            kind="staff" if event.actor_id else "log",
            what=event.message,
            detail=event.detail,
            level=event.level,
            actor=str(event.actor or ""),
            internal=event.internal,
        )


def _upstream(job: VideoJob) -> Iterator[Moment]:
    if job.submitted_at:
        provider = "the mock" if job.mock_mode else "Google Veo"
        what = f"Accepted by {provider}"
        yield Moment(job.submitted_at, "upstream", what, job.operation, internal=True)
    if job.generated_at:
        yield Moment(job.generated_at, "upstream", "The video was delivered", internal=True)


def _storage(job: VideoJob) -> Iterator[Moment]:
    if job.completed_at and job.status == Status.SUCCEEDED:
        size = f", {filesizeformat(job.video_bytes)}" if job.video_bytes else ""
        what = f"Stored as {job.video_name or job.video_url}{size}"
        yield Moment(job.completed_at, "storage", what, job.video_url, internal=True)


def _webhook(job: VideoJob) -> Iterator[Moment]:
    """One line for each delivery. The path of its URL may be the customer's secret."""
    for delivery in WebhookDelivery.objects.filter(job_id=job.pk).order_by("created_at"):
        tries = "1 try" if delivery.attempts == 1 else f"{delivery.attempts} tries"
        answer = f", last answer {delivery.last_status}" if delivery.last_status else ""
        what = f"{delivery.type} to {delivery.host}: {delivery.status} after {tries}{answer}"
        level = JobEvent.Level.WARNING if delivery.status == FAILED else JobEvent.Level.INFO
        yield Moment(
            delivery.created_at, "webhook", what, delivery.last_error, level=level, internal=True
        )


def _tokens(job: VideoJob) -> Iterator[Moment]:
    # Each kind has an index of its own.
    reference = str(job.pk)
    charge = Q(kind=Entry.Kind.CHARGE, reference=reference)
    refund = Q(kind=Entry.Kind.REFUND, reference=reference)
    entries = Entry.objects.filter(charge | refund).select_related("actor")
    for entry in entries.order_by("id"):
        amount, balance = formatting.signed(entry.amount), formatting.number(entry.balance_after)
        what = f"{entry.get_kind_display()} {amount}, balance {balance}"
        yield Moment(entry.created_at, "tokens", what, entry.note, actor=str(entry.actor or ""))
