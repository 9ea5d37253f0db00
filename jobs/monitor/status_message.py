"""What the figures mean, in one plain sentence: whether all is well and, if not, what is wrong."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import Status
from jobs.monitor.pulse import Pulse

SILENT = timedelta(seconds=15)  # the workers' clock strikes every second
LONG = timedelta(minutes=1)  # for a job that could start to wait, with workers at work
FAILS_OFTEN = 3  # jobs lately, and at least as many as succeeded


class Tone(StrEnum):
    WELL = "well"
    BUSY = "busy"
    WRONG = "wrong"


@dataclass(frozen=True)
class Truth:
    tone: Tone
    text: SafeString  # HTML, for its times of day


def of(pulse: Pulse, *, now: datetime) -> Truth:
    """The worst that is so: that nothing goes on at all comes before that something is slow."""
    waiting, running = pulse.counts[Status.PENDING], pulse.counts[Status.RUNNING]
    active = waiting + running
    since = _clock(pulse.trouble_since or now)
    if pulse.last_tick < now - SILENT:
        return _wrong(
            "The workers have been silent since {}{}. No tokens are lost: everything "
            "goes on by itself once they are back.",
            _clock(pulse.last_tick),
            f"; {_do(active, 'wait', 'waits')} for them" if active else "",
        )
    if pulse.put_off and pulse.throttled:
        return _wrong(
            "Google has been answering “too many requests” since {}; {}; no tokens are lost.",
            since,
            _do(pulse.put_off, "wait", "waits"),
        )
    if pulse.put_off:
        return _wrong(
            "Google Veo has not been available since {}; {}; no tokens are lost.",
            since,
            _do(pulse.put_off, "wait", "waits"),
        )
    if pulse.unstored:
        return _wrong(
            "Storing finished videos has failed since {}; {} to be tried again; "
            "no tokens are lost.",
            since,
            _do(pulse.unstored, "wait", "waits"),
        )
    if pulse.unanswered:
        return _wrong(
            "Google has not reported the progress of its videos since {}; {} for the answer; "
            "no tokens are lost.",
            since,
            _do(pulse.unanswered, "wait", "waits"),
        )
    if pulse.failed_lately >= max(FAILS_OFTEN, pulse.succeeded_lately):
        return _wrong(
            "Most videos have failed since {}; {} in the last quarter of an hour{}.",
            _clock(pulse.failing_since or now),
            _do(pulse.failed_lately, "failed", "failed"),
            "; their tokens were given back" if settings.VIDEO_REFUND_FAILED_JOBS else "",
        )
    if pulse.waiting_for_veo and pulse.oldest_waiting and pulse.oldest_waiting < now - LONG:
        text = format_html(
            "More videos are wanted than Google makes for us at a time: {}, the oldest since {}.",
            _do(pulse.waiting_for_veo, "wait", "waits"),
            _clock(pulse.oldest_waiting),
        )
        return Truth(Tone.BUSY, text)
    return Truth(Tone.WELL, _well(waiting, running))


def _well(waiting: int, running: int) -> SafeString:
    if running:
        return format_html(
            "All is well: {} video{} in the making.", running, "" if running == 1 else "s"
        )
    quiet = "the next video is about to begin" if waiting else "nothing to do at the moment"
    return format_html("All is well: {}.", quiet)


def _wrong(text: str, *arguments: str) -> Truth:
    return Truth(Tone.WRONG, format_html(text, *arguments))


def _do(count: int, many: str, one: str) -> str:
    return f"{count:,} jobs {many}" if count != 1 else f"1 job {one}"


def _clock(moment: datetime) -> SafeString:
    clock = f"{moment:%H:%M} UTC"
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), clock)
