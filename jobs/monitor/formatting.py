"""Template filters of the monitor."""

from datetime import datetime

from django import template

from videostudio.core import formatting

register = template.Library()
register.filter("duration", formatting.format_duration)
register.filter("clock", formatting.clock)
register.filter("exact", formatting.exact)
register.filter("number", formatting.number)


@register.filter
def model_name(id: str) -> str:
    """ "Veo 3.1 Fast" for veo-3.1-fast-generate-preview; other ids unchanged."""
    words, generates, _ = id.partition("-generate-")
    return words.replace("-", " ").title() if generates else id


@register.filter
def until(start: datetime, end: datetime) -> str:
    return formatting.format_duration(round((end - start).total_seconds()))
