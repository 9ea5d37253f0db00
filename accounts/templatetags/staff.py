"""Small forms that the staff's pages share."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html

from videostudio.core import formatting

register = template.Library()
register.filter("seconds", formatting.format_duration)
register.filter("tokens", formatting.format_tokens)


@register.filter
def moment(at: datetime | None) -> str:
    """A time to the second, with its zone, for people and for machines."""
    if at is None:
        return ""
    shown = f"{at:%d %b %H:%M:%S}"
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(), at, shown)


@register.filter
def ago(at: datetime) -> str:
    return formatting.ago(at, timezone.now())


@register.simple_tag
def label(value: str, text: str = "") -> str:
    """A coloured label that says what it means."""
    return formatting.badge(value, text)


@register.inclusion_tag("admin/windows/dates.html")
def date_steps(cl: Any) -> dict[str, Any]:
    """Django's date hierarchy by arithmetic: its own looks at every row for the dates there are.

    One query, for the oldest row, which the field's index answers.
    """
    field = cl.date_hierarchy
    oldest = cl.model._default_manager.order_by(field).values_list(field, flat=True).first()
    if oldest is None:
        return {"choices": []}
    given = {part: cl.params.get(f"{field}__{part}") for part in ("year", "month", "day")}
    first, last = oldest.date(), timezone.now().date()
    if not given["year"] and first.year == last.year:
        given["year"] = str(first.year)

    def link(**parts: int) -> str:
        names = {f"{field}__{part}": value for part, value in parts.items()}
        return cl.get_query_string(names, [f"{field}__"])

    return {
        "choices": [
            {"title": title, "link": link(**parts), "chosen": _is_chosen(given, parts)}
            for title, parts in _steps(given, first, last)
        ],
        "back": link() if any(f"{field}__{part}" in cl.params for part in given) else "",
    }


def _steps(given: dict, first: Any, last: Any) -> Iterator[tuple[str, dict[str, int]]]:
    """The years; the months of the year that is given; the days of the month that is given."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    seen = set()
    for day in days:
        if not given["year"]:
            title, parts = str(day.year), {"year": day.year}
        elif str(day.year) != given["year"]:
            continue
        elif not given["month"]:
            title, parts = f"{day:%B %Y}", {"year": day.year, "month": day.month}
        elif str(day.month) != given["month"]:
            continue
        else:
            title = f"{day:%d %B}"
            parts = {"year": day.year, "month": day.month, "day": day.day}
        if title not in seen:
            seen.add(title)
            yield title, parts


def _is_chosen(given: dict, parts: dict[str, int]) -> bool:
    return all(given[part] == str(value) for part, value in parts.items())
