"""Staff actions on jobs. Each makes one domain call, which decides.

The preview names the refusals that the rows show. What happens after it is reported for each job.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle, pricing, refunds, removals, reruns
from jobs.admin import refusals
from jobs.models import VideoJob
from jobs.webhooks import registry
from tokens_ledger import refund_limit
from tokens_ledger.admin import NOTE_HELP_TEXT
from videostudio.core import formatting
from videostudio.core.admin_actions import ConfirmedAction
from videostudio.core.admin_forms import ReasonForm, SingleUseForm


class RefundForm(ReasonForm):
    """The entry's note is the reason."""

    reason_help_text = NOTE_HELP_TEXT


class TakeDownForm(ReasonForm):
    reason_help_text = "The customer reads this sentence in the job. Taking down cannot be undone."


class RerunForm(SingleUseForm):
    price = forms.ChoiceField(
        label="Who pays",
        choices=[
            ("free", "Nobody: the new job is free"),
            ("charged", "The customer: the new job costs today's price"),
        ],
        widget=forms.RadioSelect,
    )


# ---- Execution ----


def _do(change: Callable[..., Any], done: Callable[[Any], str]) -> Callable[..., str]:
    """Makes the call `change`, and says by its result what was done."""

    def execute(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
        return done(change(job=job, actor=actor, reason=answers["reason"], now=timezone.now()))

    return execute


def _resent(count: int) -> str:
    return "1 event is sent again." if count == 1 else f"{count} events are sent again."


def _cancel(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    before = VideoJob.objects.select_for_update().get(pk=job.pk).tokens_refunded
    job = lifecycle.cancel(job=job, actor=actor, reason=answers["reason"], now=timezone.now())
    if job.tokens_consumed and not job.tokens_refunded:
        return "cancelled; no refund, because it was already submitted to the provider."
    return f"cancelled{_refund_note(job, job.tokens_refunded - before)}"


def _fail(job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    tokens = lifecycle.force_fail(
        job=job, actor=actor, reason=answers["reason"], now=timezone.now()
    )
    return f"marked as failed{_refund_note(job, tokens)}"


def _refund_note(job: VideoJob, tokens: int) -> str:
    if tokens:
        return f", {formatting.format_tokens(tokens)} refunded."
    return "; it was already refunded." if job.tokens_consumed else "; it was free."


def _rerun(order: Any, done: str, job: VideoJob, actor: User, answers: dict[str, Any]) -> str:
    charged = answers["price"] == "charged"
    new = order(job=job, actor=actor, reason=answers["reason"], charged=charged, now=timezone.now())
    return f"{done} as job {new.pk}, for {formatting.format_tokens(new.tokens_consumed)}."


# ---- Labels and common reasons ----

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


# ---- Effects ----


def _refund_token_change(job: VideoJob) -> int:
    return 0 if job.tokens_refunded else job.tokens_consumed


def _tokens_left_today(actor: User) -> int | None:
    return refund_limit.left(actor=actor, now=timezone.now())


def _cancel_token_change(job: VideoJob) -> int:
    return 0 if job.submitted_at else _refund_token_change(job)


def _rerun_token_change(job: VideoJob) -> int:
    """The price for the customer; 0 if there is no price any more, so nothing is charged."""
    try:
        return -pricing.tokens(job.spec)
    except pricing.NoPrice:
        return 0


def _action(*, name: str, execute: Callable[..., str], **options: Any) -> ConfirmedAction:
    refusing = refusals.domain_refusals()(execute)
    return ConfirmedAction(
        name=name, permission=f"jobs.{name}_videojob", execute=refusing, **options
    )


RERUN: dict[str, Any] = {"form": RerunForm, "token_change": _rerun_token_change}
ACTIONS = [
    _action(
        name="refund",
        label="Refund",
        button=_refund_button,
        reasons=REFUND_REASONS,
        intro="The charge of each job is refunded to its user, at most once.",
        form=RefundForm,
        execute=_do(refunds.refund, lambda tokens: f"{formatting.format_tokens(tokens)} refunded."),
        refusal=refusals.refund_refusal,
        token_change=_refund_token_change,
        tokens_left=_tokens_left_today,
    ),
    _action(
        name="cancel",
        label="Cancel",
        button=_these("End"),
        reasons=END_REASONS,
        intro="Each job ends now. As when a customer cancels, it is refunded "
        "unless it was already submitted to the provider, which charges for it.",
        execute=_cancel,
        refusal=refusals.end_refusal,
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
        refusal=refusals.end_refusal,
        token_change=_refund_token_change,
        tokens_left=_tokens_left_today,
    ),
    _action(
        name="run",
        label="Run",
        button=_these("Run"),
        reasons=RUN_REASONS,
        intro="Each job is submitted to Google. If it was submitted before the restore too, Google "
        "charges for two videos. To refund it instead, use “Mark as failed and refund”.",
        execute=_do(lifecycle.run_held, lambda _: "a worker starts it."),
        refusal=refusals.run_refusal,
    ),
    _action(
        name="retry",
        label="Retry",
        button=_these("Retry"),
        reasons=REFUND_REASONS,
        intro="A new job with the same order is created.",
        execute=partial(_rerun, reruns.retry, "retried"),
        refusal=refusals.retry_refusal,
        **RERUN,
    ),
    _action(
        name="fetch",
        label="Fetch again",
        in_list="Fetch selected jobs again",
        button=_these("Fetch", "video"),
        reasons=("The video could not be stored",),
        intro="A new job fetches the provider's finished video, "
        "without a new generation. Google keeps finished videos for about two days.",
        execute=partial(_rerun, reruns.fetch_again, "fetched again"),
        refusal_reasons=refusals.fetch_refusals,
        **RERUN,
    ),
    _action(
        name="take_down",
        label="Take down",
        button=_these("Take down", "video"),
        reasons=("A complaint by a third party", "Breaks our rules"),
        intro="Video and poster are deleted from the storage within "
        "seconds. The job stays, and no tokens are refunded. This cannot be undone.",
        form=TakeDownForm,
        execute=_do(removals.take_down, lambda _: "its video is taken down."),
        refusal=refusals.take_down_refusal,
    ),
    _action(
        name="resend",
        label="Send webhook again",
        in_list="Send webhooks of selected jobs again",
        button=_these("Send the webhook of"),
        reasons=("The customer's server was not reachable",),
        intro="The events that did not reach the customer's server are sent once "
        "more, with the same id and content.",
        execute=_do(registry.resend, _resent),
        refusal_reasons=refusals.resend_refusals,
    ),
]
