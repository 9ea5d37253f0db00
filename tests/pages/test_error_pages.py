"""The error pages in Chromium: the site's look, under its strict policy."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import MIDDLE, NARROW, screenshot
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]


@pytest.fixture(scope="module")
def broken():
    """A service that knows itself by one name only, and whose monitor fails on each look."""
    with Stack(clusters=0, env={"ALLOWED_HOSTS": "127.0.0.1"}) as stack:
        stack.sql("DELETE FROM jobs_tick")
        yield stack


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("name", "status"), [("bad-request", 400), ("server-error", 500)])
def test_error_page_has_the_look_of_the_site(broken, open_page, name, status, dark):
    host = {400: "localhost", 500: "127.0.0.1"}[status]
    page = open_page(dark=dark, tolerate=f"status of {status}")
    answer = page.goto(f"{broken.url.replace('127.0.0.1', host)}/video-monitor")
    assert answer.status == status
    expect(page.get_by_role("heading")).to_be_visible()
    assert page.locator(".button").evaluate("b => getComputedStyle(b).borderRadius") != "0px"
    assert not Axe().run(page).response["violations"]
    for width in (MIDDLE, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screenshot(page, f"{name}-{width}-{'dark' if dark else 'light'}")
