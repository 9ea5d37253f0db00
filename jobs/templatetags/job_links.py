"""A template filter that links job ids in a text to the admin's pages of the jobs."""

import re

from django import template
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

AN_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@register.filter
def job_links(text: str) -> SafeString:
    escaped = str(conditional_escape(text))
    return mark_safe(AN_ID.sub(lambda found: _link(found[0]), escaped))


def _link(id: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse("admin:jobs_videojob_change", args=[id]), id)
