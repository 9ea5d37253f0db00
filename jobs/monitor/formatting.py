"""Template filters of the monitor."""

from datetime import datetime

from django import template

from jobs.models import Status

register = template.Library()

NAMES = {
    Status.PENDING: "Waiting",
    Status.RUNNING: "Running",
    Status.SUCCEEDED: "Done",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
}


@register.filter
def named(status: str) -> str:
    return NAMES[Status(status)]


@register.filter
def model_name(id: str) -> str:
    """ "Veo 3.1 Fast" for veo-3.1-fast-generate-preview; other ids unchanged."""
    words, generates, _ = id.partition("-generate-")
    return words.replace("-", " ").title() if generates else id


@register.filter
def duration(seconds: float) -> str:
    """8 s, 1 min 5 s, 2 h 3 min; the same format as in monitor.js."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@register.filter
def clock(moment: datetime, now: datetime) -> str:
    """15:21 UTC, with the day before it if that is not today's."""
    day = "" if moment.date() == now.date() else f"{moment.day} {moment:%B}, "
    return f"{day}{moment:%H:%M} UTC"


@register.filter
def exact(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@register.filter
def until(start: datetime, end: datetime) -> str:
    return duration((end - start).total_seconds())
