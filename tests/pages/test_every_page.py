"""axe finds nothing on any page of ours, on a desktop in light colours and a phone in dark ones."""

import json

import pytest
import requests
from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

from tests.accessibility import problems
from tests.browser import new_page, screenshot
from tests.pages import every_page
from tests.pages.staff_studio import PASSWORD, open_studio
from tests.stack import until

pytestmark = [pytest.mark.live, pytest.mark.once]

WRITE = "from tests.pages import every_page; every_page.write()"
NO_PAGE = ("not found", "no such page", "used link", "forbidden")
TOLERATED = r"Applying inline style|status of (400|403|404|429|503)"  # axe writes styles


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    mails = tmp_path_factory.mktemp("mails")
    env = {"VIDEO_MAX_ACTIVE_JOBS": "2", "VIDEO_MAX_WAITING_JOBS": "20", "TRUSTED_PROXIES": "1"}
    with open_studio(jobs=48, **env, EMAIL_URL=f"file:///{mails}") as studio:
        running = "SELECT 1 FROM jobs_videojob WHERE status = 'RUNNING'"
        assert until(lambda: studio.sql(running), seconds=30)
        yield studio


@pytest.fixture(scope="module")
def paths(studio) -> dict[str, str]:
    """The address of each page by its name."""
    return json.loads(studio.manage("shell", "--verbosity", 0, "-c", WRITE).stdout)


@pytest.fixture(scope="module")
def errors() -> list[str]:
    """What the browser said; each test empties it."""
    return []


@pytest.fixture(scope="module")
def pages(studio, browser, errors):
    """Two pages that show one address after the other: a superuser's, and a visitor's (False)."""
    options = {"base_url": studio.url, "calm": True, "tolerate": TOLERATED}
    pages = {is_staff: new_page(browser, errors, **options) for is_staff in (True, False)}
    log_in(pages[True], "root", PASSWORD)
    expect(pages[True].get_by_role("heading", name="Overview")).to_be_visible()
    yield pages
    for page in pages.values():
        page.context.close()


def log_in(page: Page, name: str, password: str) -> None:
    page.goto("/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()


def test_list_has_every_page():
    listed = {*every_page.names(), *every_page.NOT_PAGES, *every_page.left_out()}
    listed |= {"monitor-job"}  # one page for each status
    assert set(every_page.pattern_names()) - listed == set()


@pytest.mark.parametrize("name", every_page.names())
def test_page_is_accessible_and_fits(paths, pages, errors, name):
    page = pages[name not in every_page.ANONYMOUS]
    errors.clear()
    answer = page.goto(paths[name])
    assert answer
    assert answer.status in ((400, 403, 404) if name.endswith(NO_PAGE) else (200,))
    if name == "docs":
        expect(page.get_by_text("Your token balance and its changes.")).to_be_visible()
    assert problems(page) == []
    assert errors == []


def test_pages_after_failed_logins_are_accessible(studio, open_page):
    proxied = {"X-Forwarded-For": "10.9.8.7"}
    page = open_page(base_url=studio.url, extra_http_headers=proxied, calm=True, tolerate=TOLERATED)
    for _ in range(4):
        log_in(page, "nobody", "wrong")
        expect(page.get_by_role("alert")).to_be_visible()
    assert problems(page) == []
    log_in(page, "nobody", "wrong")
    expect(page.get_by_role("heading", name="Too many failed logins")).to_be_visible()
    assert problems(page) == []


@pytest.mark.parametrize(
    ("template", "context"),
    [
        *(("503.html", {"reload": True}), ("503.html", {"reload": False})),
        *(("400.html", {}), ("403_csrf.html", {}), ("500.html", {})),
    ],
)
def test_page_of_an_error_is_accessible(studio, open_page, template, context):
    """The template of a page that a healthy service does not show, with the service's styles and
    policy. tests/core/test_error_pages.py checks that the service answers with it."""
    policy = requests.get(studio.url, timeout=30).headers["Content-Security-Policy"]
    away = {
        "body": render_to_string(template, context),
        "headers": {"Content-Type": "text/html", "Content-Security-Policy": policy},
    }
    page = open_page(base_url=studio.url, calm=True)
    page.route("**/reload*.js", lambda route: route.fulfill(body=""))
    page.route("**/away", lambda route: route.fulfill(**away))
    page.goto("/away")
    expect(page.get_by_role("heading")).to_be_visible()
    for button in page.locator(".button").all():
        assert button.evaluate("b => getComputedStyle(b).borderRadius") != "0px"
    screenshot(page, f"error-{template.removesuffix('.html')}")
    assert problems(page) == []
