"""The service's status in one sentence: all is well, or what is wrong."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import Status
from jobs.monitor.figures import Figures
from videostudio.core import formatting

LONG_WAIT = timedelta(minutes=1)  # of a job that could start while workers are running
FAILS_OFTEN = 3  # this many recent jobs, and at least as many as succeeded


class Severity(StrEnum):
    OK = "ok"
    BUSY = "busy"
    PROBLEM = "problem"


@dataclass(frozen=True)
class ServiceStatus:
    severity: Severity
    text: SafeString  # HTML, because it contains <time> elements


def service_status(figures: Figures, *, now: datetime) -> ServiceStatus:
    """The status message. Models that Google no longer has are named beside any other problem."""
    status = _status(figures, now)
    if not figures.missing_models:
        return status
    missing = _models_are_missing(figures, now)
    if status.severity != Severity.OK:
        missing = format_html("{} {}", status.text, missing)
    return ServiceStatus(Severity.PROBLEM, missing)


def _status(figures: Figures, now: datetime) -> ServiceStatus:
    """From the most severe problem down: outages come before delays."""
    if problem := _problem(figures, now):
        return ServiceStatus(Severity.PROBLEM, problem)
    oldest = figures.oldest_pending
    if figures.pending_for_veo and oldest and oldest < now - LONG_WAIT:
        text = format_html(
            "More videos are ordered than Google can make at once: {}, the oldest since {}.",
            _jobs(figures.pending_for_veo, "wait", "waits"),
            _clock(oldest, now),
        )
        return ServiceStatus(Severity.BUSY, text)
    return ServiceStatus(Severity.OK, _all_is_well(figures))


def _problem(figures: Figures, now: datetime) -> SafeString | None:
    if not figures.workers_alive:
        return _workers_are_silent(figures, now)
    if figures.submit_retries and figures.throttled:
        text = "Google has been answering “too many requests” since {}; {}; no tokens are lost."
        return _retrying(text, figures.submit_retries, figures, now)
    if figures.submit_retries:
        text = "Google Veo has not been available since {}; {}; no tokens are lost."
        return _retrying(text, figures.submit_retries, figures, now)
    if figures.store_retries:
        text = (
            "Storing finished videos has failed since {}; {} to be tried again; no tokens are lost."
        )
        return _retrying(text, figures.store_retries, figures, now)
    if figures.poll_retries:
        text = (
            "Google has not reported the progress of its videos since {}; {} for the answer; "
            "no tokens are lost."
        )
        return _retrying(text, figures.poll_retries, figures, now)
    if figures.recent_failures >= max(FAILS_OFTEN, figures.recent_successes):
        return format_html(
            "Most videos have failed since {}; {} in the last 15 minutes{}.",
            _clock(figures.failing_since or now, now),
            _jobs(figures.recent_failures, "failed", "failed"),
            "; their tokens were refunded" if settings.VIDEO_REFUND_FAILED_JOBS else "",
        )
    return None


def _models_are_missing(figures: Figures, now: datetime) -> SafeString:
    names = [name for name, _ in figures.missing_models]
    return format_html(
        "Google has not offered {} since {}: new orders of {} are refused, and nothing is charged.",
        " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names),
        _clock(min(since for _, since in figures.missing_models), now),
        "it" if len(names) == 1 else "them",
    )


def _workers_are_silent(figures: Figures, now: datetime) -> SafeString:
    active = figures.counts[Status.PENDING] + figures.counts[Status.RUNNING]
    waiting = f"; {_jobs(active, 'wait', 'waits')} for them" if active else ""
    if not figures.last_tick:
        return format_html("The workers have not been started yet{}.", waiting)
    return format_html(
        "The workers have not responded since {}{}. No tokens are lost: the jobs "
        "continue when the workers are back.",
        _clock(figures.last_tick, now),
        waiting,
    )


def _retrying(text: str, jobs: int, figures: Figures, now: datetime) -> SafeString:
    return format_html(
        text, _clock(figures.retrying_since or now, now), _jobs(jobs, "wait", "waits")
    )


def _all_is_well(figures: Figures) -> SafeString:
    running = figures.counts[Status.RUNNING]
    if running:
        videos = f"{running:,} videos" if running != 1 else "1 video"
        return format_html("All is well: {} in progress.", videos)
    waits = figures.oldest_pending  # held jobs start only when staff have decided
    quiet = "the next video is about to start" if waits else "no videos in progress"
    return format_html("All is well: {}.", quiet)


def _jobs(count: int, many: str, one: str) -> str:
    return f"{count:,} jobs {many}" if count != 1 else f"1 job {one}"


def _clock(moment: datetime, now: datetime) -> SafeString:
    return formatting.time_element(moment, formatting.clock(moment, now))
