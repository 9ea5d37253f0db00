"""Why an action skips a job: sentences without their subject and full stop."""

from collections.abc import Iterator
from contextlib import contextmanager

from accounts.models import User
from jobs import lifecycle, model_availability, removals, reruns
from jobs.catalog import MODELS
from jobs.models import ACTIVE, HELD, VideoJob
from jobs.webhooks import registry
from tokens_ledger import ledger
from tokens_ledger.refund_limit import DailyLimitReached
from videostudio.core.admin_actions import ActionRefused

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
    ledger.InsufficientTokens: "costs {0.cost:,} tokens, but the customer has {0.available:,}",
    DailyLimitReached: "would exceed your daily limit of {0.limit:,} tokens ({0.left:,} left "
    "today): ask an Operator",
}


@contextmanager
def domain_refusals() -> Iterator[None]:
    try:
        yield
    except tuple(SENTENCES) as refusal:
        raise ActionRefused(SENTENCES[type(refusal)].format(refusal)) from refusal


# ---- Refusals that the rows show, before the confirmation ----


def refund_refusal(job: VideoJob) -> str:
    if not job.tokens_consumed:
        return SENTENCES[ledger.NothingToRefund]
    return SENTENCES[ledger.AlreadyRefunded] if job.tokens_refunded else ""


def end_refusal(job: VideoJob) -> str:
    return "" if job.status in ACTIVE else f"has already ended ({job.status})"


def run_refusal(job: VideoJob) -> str:
    return "" if job.next_step_at == HELD else SENTENCES[lifecycle.NotHeld]


def retry_refusal(job: VideoJob) -> str:
    if job.status in ACTIVE:
        return SENTENCES[reruns.JobStillActive]
    if job.model not in MODELS:
        return SENTENCES[reruns.ModelRetired]
    if job.has_input_images:
        return SENTENCES[reruns.InputImagesDeleted]
    return ""


def fetch_refusals(jobs: list[VideoJob], actor: User) -> list[str]:
    operations = reruns.operations_of(jobs=jobs)

    def refusal(job: VideoJob) -> str:
        if job.status in ACTIVE:
            return SENTENCES[reruns.JobStillActive]
        if job.video_removed_at:
            return SENTENCES[reruns.VideoRemoved]
        return "" if operations[job.pk] else SENTENCES[reruns.NoOperation]

    return [refusal(job) for job in jobs]


def take_down_refusal(job: VideoJob) -> str:
    if job.status in ACTIVE:
        return SENTENCES[removals.StillActive]
    if job.video_removed_at:
        return SENTENCES[removals.AlreadyRemoved]
    return "" if job.video_url else SENTENCES[removals.NoVideo]


def resend_refusals(jobs: list[VideoJob], actor: User) -> list[str]:
    failed = registry.failed_of([job.pk for job in jobs])
    return ["" if failed[job.pk] else SENTENCES[registry.NothingToResend] for job in jobs]
