"""Members of staff in browsers; the customers are Alice and Bob, as in tests/jobs."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache

from accounts.models import User
from tests.jobs.conftest import (  # noqa: F401
    Client,
    alice,
    anonymous,
    bob,
    boss,
    client,
    client_of,
    new_job,
    tokens,
)

LIST = "/admin/jobs/videojob/"
PASSWORD = "tall ships at anchor"
ROLES = ("Support", "Operator", "Finance")


@pytest.fixture(autouse=True)
def nothing_kept(db):
    """The overview's figures are cached, and so is which forms were sent."""
    cache.clear()


@pytest.fixture
def member(db):
    """`member("Support")`: the user, new; more names are more people."""

    def member(role: str, name: str = "") -> User:
        name = name or role.lower()
        user = User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        return user

    return member


@pytest.fixture
def browser_of():
    """Signs a member of staff in."""

    def sign_in(user: User) -> Client:
        browser = Client(raise_request_exception=False)
        browser.force_login(user)
        return browser

    return sign_in


@pytest.fixture
def support(member, browser_of):
    return browser_of(member("Support"))


@pytest.fixture
def operator(member, browser_of):
    return browser_of(member("Operator"))


@pytest.fixture
def finance(member, browser_of):
    return browser_of(member("Finance"))


def choose(browser: Client, action: str, *jobs: Any, query: str = "", **form: str) -> Any:
    """Select jobs in the list, and an action for them."""
    ids = [str(getattr(job, "pk", job)) for job in jobs]
    chosen = {"action": action, "_selected_action": ids, "index": "0"}
    return browser.post(f"{LIST}{query}", chosen | form, follow=True)


def press(browser: Client, action: str, *jobs: Any, reason: str = "Never came", **form: str) -> Any:
    """Fill in the form of the page that confirms an action on these jobs, and send it."""
    return choose(browser, action, *jobs, post="yes", reason=reason, **form)


def url_of(action: str, job: Any) -> str:
    return f"{LIST}{job.pk}/{action}/"


def page_of(job: Any) -> str:
    return f"{LIST}{job.pk}/change/"


def said(answer: Any) -> list[str]:
    from django.utils.html import strip_tags

    return [strip_tags(str(message)) for message in answer.context["messages"]]
