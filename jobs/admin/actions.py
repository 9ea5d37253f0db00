"""The doors of a job: what staff may do to it. Each is one call of the domain, which decides.

A door that would be refused says so before it is tried, as far as the row alone tells; what
happens meanwhile is told afterwards, of each job by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle, refunds, reruns
from jobs.catalog import OPERATION
from jobs.models import ACTIVE, VideoJob
from tokens_ledger import ledger
from tokens_ledger.refund_limit import DailyLimitReached
from videostudio.core import formatting
from videostudio.core.admin_forms import ReasonForm

CUSTOMER_READS = "The customer reads it among their tokens' entries."


class RefundForm(ReasonForm):
    """Its reason is the entry's note."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = CUSTOMER_READS


class AgainForm(ReasonForm):
    price = forms.ChoiceField(
        label="Who pays",
        choices=[
            ("free", "Nobody: the new job is free"),
            ("charged", "The customer: the new job costs what any costs"),
        ],
        widget=forms.RadioSelect,
    )


@dataclass(frozen=True)
class Door:
    """`act` does it to one job, with the form's answers, and returns what happened."""

    name: str
    button: str
    intro: str
    form: type[ReasonForm]
    act: Callable[[VideoJob, User, dict[str, Any]], str]
    why_not: Callable[[list[VideoJob]], list[str]]  # of each job, "" where nothing is against it
    effect: Callable[[VideoJob], int]  # tokens that come back, as far as the row tells

    @property
    def label(self) -> str:
        return f"{self.button} selected jobs"

    @property
    def permission(self) -> str:
        return f"jobs.{self.name}_videojob"

    def is_open(self, job: VideoJob, user: Any) -> bool:
        return user.has_perm(self.permission) and self.why_not([job]) == [""]


# ---- What each does ----


def _refund(job: VideoJob, actor: User, given: dict[str, Any]) -> str:
    tokens = refunds.refund(job=job, actor=actor, reason=given["reason"], now=timezone.now())
    return f"{formatting.format_tokens(tokens)} refunded."


def _cancel(job: VideoJob, actor: User, given: dict[str, Any]) -> str:
    before = VideoJob.objects.select_for_update().get(pk=job.pk).tokens_refunded
    job = lifecycle.cancel(job=job, actor=actor, reason=given["reason"], now=timezone.now())
    if job.tokens_consumed and not job.tokens_refunded:
        return "cancelled; its tokens are kept, since it was submitted to the provider."
    return f"cancelled{_given_back(job, job.tokens_refunded - before)}"


def _fail(job: VideoJob, actor: User, given: dict[str, Any]) -> str:
    tokens = lifecycle.force_fail(job=job, actor=actor, reason=given["reason"], now=timezone.now())
    return f"marked as failed{_given_back(job, tokens)}"


def _given_back(job: VideoJob, tokens: int) -> str:
    if tokens:
        return f", {formatting.format_tokens(tokens)} refunded."
    return "; its tokens were refunded before." if job.tokens_consumed else "; it had cost nothing."


def _retry(job: VideoJob, actor: User, given: dict[str, Any]) -> str:
    return _again(reruns.retry, "retried", job, actor, given)


def _fetch(job: VideoJob, actor: User, given: dict[str, Any]) -> str:
    return _again(reruns.fetch_again, "fetched again", job, actor, given)


def _again(order: Any, done: str, job: VideoJob, actor: User, given: dict[str, Any]) -> str:
    charged = given["price"] == "charged"
    new = order(job=job, actor=actor, reason=given["reason"], charged=charged, now=timezone.now())
    return f"{done} as job {new.pk}, for {formatting.format_tokens(new.tokens_consumed)}."


# ---- What the rows tell before ----


def _each(why_not: Callable[[VideoJob], str]) -> Callable[[list[VideoJob]], list[str]]:
    return lambda jobs: [why_not(job) for job in jobs]


def _why_no_refund(job: VideoJob) -> str:
    if not job.tokens_consumed:
        return "was never charged"
    return "was refunded before" if job.tokens_refunded else ""


def _why_no_end(job: VideoJob) -> str:
    return "" if job.status in ACTIVE else f"has ended already ({job.status})"


def _why_no_retry(job: VideoJob) -> str:
    if job.status in ACTIVE:
        return SENTENCES[reruns.JobStillActive]
    if job.has_input_images:
        return SENTENCES[reruns.InputImagesDeleted]
    return ""


def _why_no_fetch(jobs: list[VideoJob]) -> list[str]:
    operations = reruns.operations_of(jobs=jobs)

    def why_not(job: VideoJob) -> str:
        if job.status in ACTIVE:
            return SENTENCES[reruns.JobStillActive]
        return "" if operations[job.pk] else SENTENCES[reruns.NoOperation]

    return [why_not(job) for job in jobs]


def _refund_effect(job: VideoJob) -> int:
    return 0 if job.tokens_refunded else job.tokens_consumed


def _cancel_effect(job: VideoJob) -> int:
    return 0 if job.submitted_at else _refund_effect(job)


def _again_effect(job: VideoJob) -> int:
    return -ledger.cost(OPERATION)


DOORS = {
    door.name: door
    for door in (
        Door(
            name="refund",
            button="Refund",
            intro="The tokens of these jobs are given back to their users, once at most.",
            form=RefundForm,
            act=_refund,
            why_not=_each(_why_no_refund),
            effect=_refund_effect,
        ),
        Door(
            name="cancel",
            button="Cancel",
            intro="These jobs end now. As for customers who cancel themselves, the tokens come "
            "back unless the job was submitted to the provider, which charges for it.",
            form=ReasonForm,
            act=_cancel,
            why_not=_each(_why_no_end),
            effect=_cancel_effect,
        ),
        Door(
            name="fail",
            button="Mark as failed and refund",
            intro="These jobs end now as FAILED, and their tokens are given back.",
            form=RefundForm,
            act=_fail,
            why_not=_each(_why_no_end),
            effect=_refund_effect,
        ),
        Door(
            name="retry",
            button="Retry",
            intro="For each of these jobs a new one is made that asks for the same.",
            form=AgainForm,
            act=_retry,
            why_not=_each(_why_no_retry),
            effect=_again_effect,
        ),
        Door(
            name="fetch",
            button="Fetch again",
            intro="For each of these jobs a new one is made that fetches the provider's video "
            "without having it made again. Google keeps finished videos for about two days.",
            form=AgainForm,
            act=_fetch,
            why_not=_why_no_fetch,
            effect=_again_effect,
        ),
    )
}

SENTENCES: dict[type[Exception], str] = {
    ledger.AlreadyRefunded: "was refunded before",
    ledger.NothingToRefund: "was never charged",
    VideoJob.DoesNotExist: "was deleted meanwhile",
    reruns.JobStillActive: "is still at work",
    reruns.InputImagesDeleted: "had images, which went when it ended: the customer must order anew",
    reruns.ModelRetired: "asked for a model that is not offered any more",
    reruns.NoOperation: "has no operation at the provider that could be asked",
}


def pass_through(
    door: Door, *, job: VideoJob, actor: User, given: dict[str, Any], note: Callable[..., Any]
) -> tuple[bool, str]:
    """Do it to one job: whether it was done, and the sentence about it.

    `note(job, sentence)` writes to Django's log, in the transaction of the deed.
    """
    try:
        with transaction.atomic():
            done = door.act(job, actor, given)
            note(job, f"{door.button}: {done} Reason: {given['reason']}")
    except REFUSALS as refusal:
        return False, f"{_sentence(refusal)}."
    return True, done


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
