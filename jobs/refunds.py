"""Refunds of a job's charge: by staff, and when the job ends."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts.models import User
from jobs import events
from jobs.models import VideoJob
from tokens_ledger import ledger, refund_limit
from videostudio.core import formatting


def refund(*, job: VideoJob, actor: User, reason: str, now: datetime) -> int:
    """Refund `job`, in any status, on behalf of a staff member; return the amount.

    Raises ledger.AlreadyRefunded, ledger.NothingToRefund, refund_limit.DailyLimitReached, and
    VideoJob.DoesNotExist if it was deleted meanwhile.
    """
    with transaction.atomic():
        VideoJob.objects.select_for_update().get(pk=job.pk)
        amount = _refund_charge(job, reason, now, actor)
        events.add_by_staff(actor, job, "Refunded", reason, now)
    return amount


def refund_on_end(job: VideoJob, note: str, now: datetime, actor: User | None = None) -> int:
    """Refund a job, in the transaction that ends it, and return the amount: 0 if it was free or
    has been refunded before.
    """
    if not job.tokens_consumed:
        return 0
    try:
        return _refund_charge(job, note, now, actor)
    except ledger.AlreadyRefunded:
        return 0


def _refund_charge(job: VideoJob, note: str, now: datetime, actor: User | None) -> int:
    """Refund the job's charge and return the amount. Staff have a daily limit.

    Raises ledger.AlreadyRefunded, ledger.NothingToRefund and refund_limit.DailyLimitReached.
    """
    entry = ledger.refund(reference=str(job.pk), note=note, actor=actor)
    if actor:
        refund_limit.check(actor=actor, amount=entry.amount, now=now)
    VideoJob.objects.filter(pk=job.pk).update(
        tokens_refunded=entry.amount, version=F("version") + 1
    )
    job.tokens_refunded = entry.amount
    job.version += 1
    events.add(job, f"💰 {formatting.format_tokens(entry.amount)} refunded", now)
    return entry.amount
