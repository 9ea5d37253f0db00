"""Template filters and tags for the staff's pages."""

from typing import Any

from django import template

from videostudio.core import formatting

register = template.Library()
register.filter("seconds", formatting.format_duration)
register.filter("tokens", formatting.format_tokens)
register.filter("signed", formatting.signed)
register.filter("number", formatting.number)
register.filter("moment", formatting.moment)
register.filter("ago", formatting.since)


@register.simple_tag
def label(value: str, text: str = "") -> str:
    """A coloured label."""
    return formatting.badge(value, text)


@register.filter
def chosen_filters(changelist: Any) -> list[str]:
    """The choices of a list's filters, without those for all rows."""
    return [
        f"{spec.title}: {choice['display']}"
        for spec in changelist.filter_specs
        for choice in list(spec.choices(changelist))[1:]
        if choice["selected"]
    ]
