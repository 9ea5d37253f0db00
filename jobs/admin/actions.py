"""What staff may do to a job. Each action is one call of the domain, which decides.

An action that would be refused says so in the preview, as far as the row alone tells; what happens
meanwhile is reported afterwards, for each job by itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle, refunds, reruns
from jobs.catalog import OPERATION
from jobs.models import ACTIVE, VideoJob
from tokens_ledger import ledger
from tokens_ledger.admin import NOTE_HELP_TEXT
from tokens_ledger.refund_limit import DailyLimitReached
from videostudio.core import formatting
from videostudio.core.admin_actions import ActionRefused, ConfirmedAction
from videostudio.core.admin_forms import ReasonForm


class RefundForm(ReasonForm):
    """Its reason is the entry's note."""

    reason_help_text = NOTE_HELP_TEXT


class RerunForm(ReasonForm):
    price = forms.ChoiceField(
        label="Who pays",
        choices=[
            ("free", "Nobody: the new job is free"),
            ("charged", "The customer: the new job costs what any costs"),
        ],
        widget=forms.RadioSelect,
    )


# ---- What each action does ----


@contextmanager
def _domain_refusals() -> Iterator[None]:
    try:
        yield
    except REFUSALS as refusal:
        raise ActionRefused(_sentence(refusal)) from refusal


@_domain_refusals()
def _refund(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    tokens = refunds.refund(job=job, actor=actor, reason=answers["reason"], now=timezone.now())
    return f"{formatting.format_tokens(tokens)} refunded."


@_domain_refusals()
def _cancel(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    before = VideoJob.objects.select_for_update().get(pk=job.pk).tokens_refunded
    job = lifecycle.cancel(job=job, actor=actor, reason=answers["reason"], now=timezone.now())
    if job.tokens_consumed and not job.tokens_refunded:
        return "cancelled; its tokens are kept, since it was submitted to the provider."
    return f"cancelled{_refund_note(job, job.tokens_refunded - before)}"


@_domain_refusals()
def _fail(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    tokens = lifecycle.force_fail(
        job=job, actor=actor, reason=answers["reason"], now=timezone.now()
    )
    return f"marked as failed{_refund_note(job, tokens)}"


def _refund_note(job: VideoJob, tokens: int) -> str:
    if tokens:
        return f", {formatting.format_tokens(tokens)} refunded."
    return "; its tokens were refunded before." if job.tokens_consumed else "; it had cost nothing."


def _retry(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    return _rerun(reruns.retry, "retried", job, actor, answers)


def _fetch(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    return _rerun(reruns.fetch_again, "fetched again", job, actor, answers)


@_domain_refusals()
def _rerun(order: Any, done: str, job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    charged = answers["price"] == "charged"
    new = order(job=job, actor=actor, reason=answers["reason"], charged=charged, now=timezone.now())
    return f"{done} as job {new.pk}, for {formatting.format_tokens(new.tokens_consumed)}."


# ---- What the rows tell beforehand ----


def _for_each(refusal: Callable[[VideoJob], str]) -> Callable[[list[VideoJob]], list[str]]:
    return lambda jobs: [refusal(job) for job in jobs]


def _refund_refusal(job: VideoJob) -> str:
    if not job.tokens_consumed:
        return "was never charged"
    return "was refunded before" if job.tokens_refunded else ""


def _end_refusal(job: VideoJob) -> str:
    return "" if job.status in ACTIVE else f"has ended already ({job.status})"


def _retry_refusal(job: VideoJob) -> str:
    if job.status in ACTIVE:
        return SENTENCES[reruns.JobStillActive]
    if job.has_input_images:
        return SENTENCES[reruns.InputImagesDeleted]
    return ""


def _fetch_refusals(jobs: list[VideoJob]) -> list[str]:
    operations = reruns.operations_of(jobs=jobs)

    def refusal(job: VideoJob) -> str:
        if job.status in ACTIVE:
            return SENTENCES[reruns.JobStillActive]
        return "" if operations[job.pk] else SENTENCES[reruns.NoOperation]

    return [refusal(job) for job in jobs]


def _refund_token_change(job: VideoJob) -> int:
    return 0 if job.tokens_refunded else job.tokens_consumed


def _cancel_token_change(job: VideoJob) -> int:
    return 0 if job.submitted_at else _refund_token_change(job)


def _rerun_token_change(job: VideoJob) -> int:
    return -ledger.cost(OPERATION)


ACTIONS = [
    ConfirmedAction(
        name="refund",
        permission="jobs.refund_videojob",
        label="Refund",
        intro="The tokens of these jobs are given back to their users, once at most.",
        form=RefundForm,
        execute=_refund,
        refusal_reasons=_for_each(_refund_refusal),
        token_change=_refund_token_change,
    ),
    ConfirmedAction(
        name="cancel",
        permission="jobs.cancel_videojob",
        label="Cancel",
        intro="These jobs end now. As for customers who cancel themselves, the tokens come "
        "back unless the job was submitted to the provider, which charges for it.",
        execute=_cancel,
        refusal_reasons=_for_each(_end_refusal),
        token_change=_cancel_token_change,
    ),
    ConfirmedAction(
        name="fail",
        permission="jobs.fail_videojob",
        label="Mark as failed and refund",
        intro="These jobs end now as FAILED, and their tokens are given back.",
        form=RefundForm,
        execute=_fail,
        refusal_reasons=_for_each(_end_refusal),
        token_change=_refund_token_change,
    ),
    ConfirmedAction(
        name="retry",
        permission="jobs.retry_videojob",
        label="Retry",
        intro="For each of these jobs a new one is made that asks for the same.",
        form=RerunForm,
        execute=_retry,
        refusal_reasons=_for_each(_retry_refusal),
        token_change=_rerun_token_change,
    ),
    ConfirmedAction(
        name="fetch",
        permission="jobs.fetch_videojob",
        label="Fetch again",
        intro="For each of these jobs a new one is made that fetches the provider's video "
        "without having it made again. Google keeps finished videos for about two days.",
        form=RerunForm,
        execute=_fetch,
        refusal_reasons=_fetch_refusals,
        token_change=_rerun_token_change,
    ),
]

SENTENCES: dict[type[Exception], str] = {
    ledger.AlreadyRefunded: "was refunded before",
    ledger.NothingToRefund: "was never charged",
    VideoJob.DoesNotExist: "was deleted meanwhile",
    reruns.JobStillActive: "is still at work",
    reruns.InputImagesDeleted: "had images, which went when it ended: the customer must order anew",
    reruns.ModelRetired: "asked for a model that is not offered any more",
    reruns.NoOperation: "has no operation at the provider that could be asked",
}


def _sentence(refusal: Exception) -> str:
    match refusal:
        case lifecycle.AlreadyFinished():
            return f"has ended already ({refusal})"
        case reruns.AlreadyRerun():
            return f"is done again already, as job {refusal}"
        case ledger.InsufficientTokens():
            return f"costs {refusal.cost} tokens, of which the customer has {refusal.available}"
        case DailyLimitReached():
            return (
                f"would exceed your {refusal.limit:,} tokens a day, of which "
                f"{refusal.left:,} are left: ask an Operator"
            )
    return SENTENCES[type(refusal)]


REFUSALS: tuple[type[Exception], ...] = (
    *SENTENCES,
    lifecycle.AlreadyFinished,
    reruns.AlreadyRerun,
    ledger.InsufficientTokens,
    DailyLimitReached,
)
