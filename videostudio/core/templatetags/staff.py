"""Template filters and tags for the staff's pages."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html

from videostudio.core import formatting

register = template.Library()
register.filter("seconds", formatting.format_duration)
register.filter("tokens", formatting.format_tokens)
register.filter("signed", formatting.signed)
register.filter("number", formatting.number)


@register.filter
def moment(at: datetime | None) -> str:
    """A time to the second, with its date and zone in the tooltip."""
    if at is None:
        return ""
    shown = f"{at:%d %b %H:%M:%S}"
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(), at, shown)


@register.filter
def ago(at: datetime) -> str:
    return formatting.ago(at, timezone.now())


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
