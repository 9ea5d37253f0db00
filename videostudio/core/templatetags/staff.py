"""Template filters and tags for the staff's pages."""

from typing import Any

from django import template
from django.template.loader import get_template

from videostudio.core import active_filters, formatting

register = template.Library()
register.filter("seconds", formatting.format_duration)
register.filter("tokens", formatting.format_tokens)
register.filter("signed", formatting.signed)
register.filter("number", formatting.number)
register.filter("moment", formatting.moment)
register.filter("ago", formatting.since)
register.simple_tag(formatting.badge, name="label")


@register.filter("active_filters")
def _active_filters(changelist: Any) -> list[str]:
    """The active filters of a list, such as "status: PENDING, RUNNING"."""
    return [f"{title}: {text}" for title, text in active_filters.in_words(changelist).items()]


@register.filter
def without_filters(changelist: Any) -> str:
    """The query of the list without its filters; a search stays."""
    query: str = changelist.get_query_string(remove=list(changelist.get_filters_params()))
    return query


@register.simple_tag
def filter_choices(changelist: Any, spec: Any) -> str:
    """As Django's `admin_list_filter`. "All" is selected, and leads to all rows, for each link."""
    every, *others = spec.choices(changelist)
    if active_filters.of(spec, changelist):
        given = active_filters.params_of(spec, changelist.get_filters_params())
        every |= {"selected": False, "query_string": changelist.get_query_string(remove=[*given])}
    context = {"title": spec.title, "choices": [every, *others], "spec": spec}
    return get_template(spec.template).render(context)
