"""The state of a job in one or two sentences, for an answer to the customer."""

from collections.abc import Iterator
from datetime import datetime

from django.utils.formats import date_format

from jobs.models import ACTIVE, Status, VideoJob
from videostudio.core import formatting


def of(job: VideoJob, now: datetime) -> str:
    return " ".join([_what(job, now), *_money(job)])


def _what(job: VideoJob, now: datetime) -> str:
    if job.status == Status.PENDING:
        waited = formatting.format_duration((now - job.created_at).total_seconds())
        return f"Has waited to start for {waited}."
    if job.status == Status.RUNNING:
        ran = formatting.format_duration((now - (job.started_at or job.created_at)).total_seconds())
        return f"Running for {ran}, {job.stage}: {_sentence(job.status_message)}"
    took = f"after {formatting.format_duration(took_seconds(job))}"
    match job.status:
        case Status.SUCCEEDED:
            return f"The video was stored {took}.{_removed(job)}"
        case Status.FAILED:
            return f"Failed {took} ({job.error_code}): {_sentence(job.error_message)}"
        case _:
            stage = "after" if job.submitted_at else "before"
            return f"Cancelled {took}, {stage} it was submitted to the provider."


def _removed(job: VideoJob) -> str:
    if not job.video_removed_at:
        return ""
    day = date_format(job.video_removed_at, "DATE_FORMAT")
    return f" It was removed on {day}: {job.video_removed_reason}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _money(job: VideoJob) -> Iterator[str]:
    if not job.tokens_consumed:
        yield "It cost nothing."
    elif job.tokens_refunded:
        yield f"The {formatting.format_tokens(job.tokens_refunded)} charged were refunded."
    elif job.status in ACTIVE:
        yield f"{formatting.format_tokens(job.tokens_consumed)} are charged."
    else:
        yield f"{formatting.format_tokens(job.tokens_consumed)} were charged and not refunded."


def took_seconds(job: VideoJob, now: datetime | None = None) -> float | None:
    """From the order to the end, or until `now`: the time that the customer waited."""
    end = job.completed_at or now
    return (end - job.created_at).total_seconds() if end else None
