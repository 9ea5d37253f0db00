"""Helpers that use the admin like a browser without JavaScript."""

import re
from typing import Any
from uuid import uuid4

from django.utils.html import strip_tags

from tests.api import Client

LIST = "/admin/jobs/videojob/"
LINE = re.compile("<summary>|<li>")
ROLES = ("Support", "Operator", "Finance")


def choose(browser: Client, action: str, *jobs: Any, query: str = "", **form: str) -> Any:
    """Select jobs and an action in the list."""
    ids = [str(getattr(job, "pk", job)) for job in jobs]
    chosen = {"action": action, "_selected_action": ids, "index": "0"}
    return browser.post(f"{LIST}{query}", chosen | form, follow=True)


def press(browser: Client, action: str, *jobs: Any, reason: str = "Never came", **form: str) -> Any:
    """Fill in and send the form on the confirmation page of an action."""
    form.setdefault("once", str(uuid4()))
    return choose(browser, action, *jobs, post="yes", reason=reason, **form)


def url_of(action: str, job: Any) -> str:
    return f"{LIST}{job.pk}/{action}/"


def page_of(job: Any) -> str:
    return f"{LIST}{job.pk}/change/"


def said(answer: Any) -> list[str]:
    """The messages; of a message with details, its summary and each line."""
    texts = [str(message) for message in answer.context["messages"]]
    return [strip_tags(part) for text in texts for part in LINE.split(text) if strip_tags(part)]
