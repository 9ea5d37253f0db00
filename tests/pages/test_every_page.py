"""axe finds nothing on any page of ours, on a desktop in light colours and a phone in dark ones."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

from tests.browser import MIDDLE, NARROW
from tests.pages import every_page
from tests.pages.staff_studio import PASSWORD, open_studio
from tests.stack import until

pytestmark = [pytest.mark.live, pytest.mark.once]

WRITE = "from tests.pages import every_page; every_page.write()"
LOOKS = ((MIDDLE, "light"), (NARROW, "dark"))
NO_PAGE = ("not found", "no such page", "used link", "forbidden")
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
TOLERATED = r"Applying inline style|status of (400|403|404|429|503)"  # axe writes styles
axe = Axe()


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    mails = tmp_path_factory.mktemp("mails")
    env = {"VIDEO_MAX_ACTIVE_JOBS": "2", "VIDEO_MAX_WAITING_JOBS": "20", "TRUSTED_PROXIES": "1"}
    with open_studio(**env, EMAIL_URL=f"file:///{mails}") as studio:
        running = "SELECT 1 FROM jobs_videojob WHERE status = 'RUNNING'"
        assert until(lambda: studio.sql(running), seconds=30)
        yield studio


@pytest.fixture(scope="module")
def paths(studio) -> dict[str, str]:
    """The address of each page by its name."""
    return json.loads(studio.manage("shell", "--verbosity", 0, "-c", WRITE).stdout)


@pytest.fixture(scope="module")
def cookies(studio, browser):
    """Those of a superuser."""
    page = browser.new_page(base_url=studio.url)
    page.goto("/admin/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    yield page.context.storage_state()
    page.context.close()


def problems(page: Page) -> list[str]:
    """What axe finds on a desktop in light colours and a phone in dark ones, and a page that is too
    wide."""
    found = []
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if not until(lambda: not page.evaluate(TOO_WIDE), seconds=3):  # charts take a moment
            found.append(f"{width}: scrolls sideways")
        found += [f"{width}, {scheme}: {each}" for each in violations(page)]
    return found


def violations(page: Page) -> list[str]:
    result = axe.run(page, options={"resultTypes": ["violations"]})
    return [
        f"{each['id']} ({each['impact']}) {[node['html'][:200] for node in each['nodes'][:3]]}"
        for each in result.response["violations"]
    ]


def test_list_has_every_page():
    listed = {*every_page.names(), *every_page.NOT_PAGES, *every_page.refused()}
    listed |= {"monitor-job"}  # one page for each status
    assert set(every_page.pattern_names()) - listed == set()


@pytest.mark.parametrize("name", every_page.names())
def test_page_is_accessible_and_fits(studio, paths, cookies, open_page, name):
    state = None if name in every_page.ANONYMOUS else cookies
    page = open_page(base_url=studio.url, storage_state=state, calm=True, tolerate=TOLERATED)
    answer = page.goto(paths[name])
    assert answer
    assert answer.status in ((400, 403, 404) if name.endswith(NO_PAGE) else (200,))
    if name == "docs":
        expect(page.get_by_text("Your token balance, and each change of it.")).to_be_visible()
    assert problems(page) == []


@pytest.mark.parametrize("form", ["wrong password", "locked"])
def test_page_after_a_failed_login_is_accessible(studio, open_page, form):
    proxied = {"X-Forwarded-For": "10.9.8.7" if form == "locked" else "10.9.8.6"}
    page = open_page(base_url=studio.url, extra_http_headers=proxied, calm=True, tolerate=TOLERATED)
    page.goto("/admin/")
    for _ in range(5 if form == "locked" else 1):
        page.get_by_label("Username").fill("nobody")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
    heading = "Too many failed logins" if form == "locked" else "Log in"
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    assert problems(page) == []


@pytest.mark.parametrize(
    ("template", "context"),
    [("503.html", {"reload": True}), ("503.html", {"reload": False}), ("403_csrf.html", {})],
)
def test_page_of_an_outage_is_accessible(studio, open_page, template, context):
    """The template of a page that a healthy service does not show, with the service's styles."""
    page = open_page(base_url=studio.url, calm=True, tolerate=TOLERATED)
    html = render_to_string(template, context)
    page.route("**/reload*.js", lambda route: route.fulfill(body=""))
    page.route("**/away", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("/away")
    expect(page.get_by_role("heading")).to_be_visible()
    assert problems(page) == []
