"""Staff actions on jobs. Each makes one domain call, which decides.

The preview names the refusals that the rows show. What happens after it is reported for each job.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle, model_availability, pricing, refunds, removals, reruns
from jobs.catalog import MODELS
from jobs.models import ACTIVE, HELD, VideoJob
from jobs.webhooks import registry
from tokens_ledger import ledger
from tokens_ledger.admin import NOTE_HELP_TEXT
from tokens_ledger.refund_limit import DailyLimitReached
from videostudio.core import formatting
from videostudio.core.admin_actions import ActionRefused, ConfirmedAction
from videostudio.core.admin_forms import ReasonForm


class RefundForm(ReasonForm):
    """The entry's note is the reason."""

    reason_help_text = NOTE_HELP_TEXT


class TakeDownForm(ReasonForm):
    reason_help_text = "The customer reads this sentence in the job. Taking down cannot be undone."


class RerunForm(ReasonForm):
    price = forms.ChoiceField(
        label="Who pays",
        choices=[
            ("free", "Nobody: the new job is free"),
            ("charged", "The customer: the new job costs today's price"),
        ],
        widget=forms.RadioSelect,
    )


# ---- What each action does ----


@contextmanager
def _domain_refusals() -> Iterator[None]:
    try:
        yield
    except tuple(SENTENCES) as refusal:
        raise ActionRefused(SENTENCES[type(refusal)].format(refusal)) from refusal


@_domain_refusals()
def _refund(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    tokens = refunds.refund(job=job, actor=actor, reason=answers["reason"], now=timezone.now())
    return f"{formatting.format_tokens(tokens)} refunded."


@_domain_refusals()
def _cancel(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    before = VideoJob.objects.select_for_update().get(pk=job.pk).tokens_refunded
    job = lifecycle.cancel(job=job, actor=actor, reason=answers["reason"], now=timezone.now())
    if job.tokens_consumed and not job.tokens_refunded:
        return "cancelled; no refund, because it was already submitted to the provider."
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
    return "; it was already refunded." if job.tokens_consumed else "; it was free."


@_domain_refusals()
def _rerun(order: Any, done: str, job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    charged = answers["price"] == "charged"
    new = order(job=job, actor=actor, reason=answers["reason"], charged=charged, now=timezone.now())
    return f"{done} as job {new.pk}, for {formatting.format_tokens(new.tokens_consumed)}."


@_domain_refusals()
def _run(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    lifecycle.run_held(job=job, actor=actor, reason=answers["reason"], now=timezone.now())
    return "a worker starts it."


@_domain_refusals()
def _resend(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    count = registry.resend(job=job, actor=actor, reason=answers["reason"], now=timezone.now())
    return "1 event is sent again." if count == 1 else f"{count} events are sent again."


@_domain_refusals()
def _take_down(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    removals.take_down(job=job, actor=actor, reason=answers["reason"], now=timezone.now())
    return "its video is taken down."


# ---- What the buttons say, and usual reasons ----

REFUND_REASONS = (
    "The video was unusable",
    "The video never came",
    "The video came too late",
    "Ordered twice by mistake",
    "Goodwill",
)
END_REASONS = ("The customer asked for it", "Ordered twice by mistake", "Waited for too long")

RUN_REASONS = ("Google did not make its video before the restore", "The customer still wants it")


def _these(verb: str, noun: str = "job") -> Callable[[int, int], str]:
    return lambda count, tokens: f"{verb} {f'this {noun}' if count == 1 else f'{count} {noun}s'}"


def _refund_button(count: int, tokens: int) -> str:
    return f"Refund {formatting.format_tokens(tokens)}"


# ---- Refusals that the rows show ----


def _for_each(refusal: Callable[[VideoJob], str]) -> Callable[[list[VideoJob]], list[str]]:
    return lambda jobs: [refusal(job) for job in jobs]


def _refund_refusal(job: VideoJob) -> str:
    if not job.tokens_consumed:
        return "was never charged"
    return "was already refunded" if job.tokens_refunded else ""


def _end_refusal(job: VideoJob) -> str:
    return "" if job.status in ACTIVE else f"has already ended ({job.status})"


def _run_refusal(job: VideoJob) -> str:
    return "" if job.next_step_at == HELD else SENTENCES[lifecycle.NotHeld]


def _retry_refusal(job: VideoJob) -> str:
    if job.status in ACTIVE:
        return SENTENCES[reruns.JobStillActive]
    if job.model not in MODELS:
        return SENTENCES[reruns.ModelRetired]
    if job.has_input_images:
        return SENTENCES[reruns.InputImagesDeleted]
    return ""


def _fetch_refusals(jobs: list[VideoJob]) -> list[str]:
    operations = reruns.operations_of(jobs=jobs)

    def refusal(job: VideoJob) -> str:
        if job.status in ACTIVE:
            return SENTENCES[reruns.JobStillActive]
        if job.video_removed_at:
            return SENTENCES[reruns.VideoRemoved]
        return "" if operations[job.pk] else SENTENCES[reruns.NoOperation]

    return [refusal(job) for job in jobs]


def _take_down_refusal(job: VideoJob) -> str:
    if job.status in ACTIVE:
        return SENTENCES[removals.StillActive]
    if job.video_removed_at:
        return SENTENCES[removals.AlreadyRemoved]
    return "" if job.video_url else SENTENCES[removals.NoVideo]


def _resend_refusals(jobs: list[VideoJob]) -> list[str]:
    failed = registry.failed_of([job.pk for job in jobs])
    return ["" if failed[job.pk] else SENTENCES[registry.NothingToResend] for job in jobs]


def _refund_token_change(job: VideoJob) -> int:
    return 0 if job.tokens_refunded else job.tokens_consumed


def _cancel_token_change(job: VideoJob) -> int:
    return 0 if job.submitted_at else _refund_token_change(job)


def _rerun_token_change(job: VideoJob) -> int:
    """What the customer would pay; 0 if there is no price any more, and so no charge."""
    try:
        return -pricing.tokens(job.spec)
    except pricing.NoPrice:
        return 0


def _action(*, name: str, **options: Any) -> ConfirmedAction:
    return ConfirmedAction(name=name, permission=f"jobs.{name}_videojob", **options)


RERUN: dict[str, Any] = {"form": RerunForm, "token_change": _rerun_token_change}
ACTIONS = [
    _action(
        name="refund",
        label="Refund",
        button=_refund_button,
        reasons=REFUND_REASONS,
        intro="The charge of each job is refunded to its user, at most once.",
        form=RefundForm,
        execute=_refund,
        refusal_reasons=_for_each(_refund_refusal),
        token_change=_refund_token_change,
    ),
    _action(
        name="cancel",
        label="Cancel",
        button=_these("End"),
        reasons=END_REASONS,
        intro="Each job ends now. As when a customer cancels, it is refunded "
        "unless it was already submitted to the provider, which charges for it.",
        execute=_cancel,
        refusal_reasons=_for_each(_end_refusal),
        token_change=_cancel_token_change,
    ),
    _action(
        name="fail",
        label="Mark as failed and refund",
        button=_these("Fail and refund"),
        reasons=REFUND_REASONS,
        intro="Each job ends now as FAILED, and its charge is refunded.",
        form=RefundForm,
        execute=_fail,
        refusal_reasons=_for_each(_end_refusal),
        token_change=_refund_token_change,
    ),
    _action(
        name="run",
        label="Run",
        button=_these("Run"),
        reasons=RUN_REASONS,
        intro="Each job is submitted to Google. If it was submitted before the restore too, Google "
        "charges for two videos. To refund it instead, use “Mark as failed and refund”.",
        execute=_run,
        refusal_reasons=_for_each(_run_refusal),
    ),
    _action(
        name="retry",
        label="Retry",
        button=_these("Retry"),
        reasons=REFUND_REASONS,
        intro="A new job with the same order is created.",
        execute=partial(_rerun, reruns.retry, "retried"),
        refusal_reasons=_for_each(_retry_refusal),
        **RERUN,
    ),
    _action(
        name="fetch",
        label="Fetch again",
        button=_these("Fetch", "video"),
        reasons=("The video could not be stored",),
        intro="A new job fetches the provider's finished video, "
        "without a new generation. Google keeps finished videos for about two days.",
        execute=partial(_rerun, reruns.fetch_again, "fetched again"),
        refusal_reasons=_fetch_refusals,
        **RERUN,
    ),
    _action(
        name="take_down",
        label="Take down",
        button=_these("Take down", "video"),
        reasons=("A complaint by a third party", "Breaks our rules"),
        intro="Video and poster are deleted at the storage within "
        "seconds. The job stays, and no tokens are refunded. This cannot be undone.",
        form=TakeDownForm,
        execute=_take_down,
        refusal_reasons=_for_each(_take_down_refusal),
    ),
    _action(
        name="resend",
        label="Send webhook again",
        button=_these("Send the webhook of"),
        reasons=("The customer's server was not reachable",),
        intro="The events that did not reach the customer's server are sent once "
        "more: the same id, the same content.",
        execute=_resend,
        refusal_reasons=_resend_refusals,
    ),
]

# Formatted with the exception as {0}.
SENTENCES: dict[type[Exception], str] = {
    ledger.AccountClosed: "belongs to a deleted account",
    ledger.AlreadyRefunded: "was already refunded",
    ledger.NothingToRefund: "was never charged",
    VideoJob.DoesNotExist: "has been deleted",
    reruns.JobStillActive: "has not ended yet",
    reruns.InputImagesDeleted: "had images, which are deleted now: the customer must order again",
    reruns.ModelRetired: "used a model that is no longer available",
    model_availability.ModelUnavailable: "uses a model that Google does not offer at the moment",
    registry.NothingToResend: "has no failed webhook delivery",
    reruns.VideoRemoved: "had its video removed, which cannot be undone",
    removals.StillActive: "has not ended yet",
    removals.NoVideo: "has no video",
    removals.AlreadyRemoved: "had its video removed before",
    reruns.NoOperation: "has no known operation at the provider",
    lifecycle.NotHeld: "is not held",
    lifecycle.AlreadyFinished: "has already ended ({0})",
    reruns.AlreadyRerun: "was already repeated as job {0}",
    ledger.InsufficientTokens: "costs {0.cost} tokens, but the customer has {0.available}",
    DailyLimitReached: "would exceed your daily limit of {0.limit:,} tokens ({0.left:,} left "
    "today): ask an Operator",
}
