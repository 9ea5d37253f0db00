"""/api/v1/docs in a browser: a new user makes a video with this page alone."""

import json
import re
from typing import Any

import pytest
import requests
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser import MIDDLE, NARROW, screenshot
from tests.client import ApiClient
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]

PATH = "/api/v1/docs"


@pytest.fixture
def docs(open_page, service):
    page = open_page(tolerate="401")
    page.goto(f"{service.url}{PATH}")
    expect(page.get_by_role("heading", name="Video Studio")).to_be_visible()
    return page


class TestTryOut:
    def test_new_user_registers_and_makes_videos(self, docs, service, tmp_path):
        assert send(docs, "getTokens", 401)["code"] == "not_authenticated"
        account = send(docs, "register", 201)
        assert account["username"] == "alice"
        pair = send(docs, "logIn", 200)
        authorize(docs, pair["access"])
        assert send(docs, "getAccount", 200) == account
        service.grant("alice", 50)

        inputs = {"initialImage": False, "endFrame": False, "referenceImages": 0}
        form = opened(docs, "createVideoJob")
        for kind in ("application/json", "multipart/form-data"):  # as they are filled in
            form.get_by_label("Request content type").select_option(kind)
            job = send(docs, "createVideoJob", 202)
            assert job["prompt"] == "A lighthouse at dusk, waves rolling in"
            assert (job["mockMode"], job["inputs"]) == (True, inputs)
        Image.new("RGB", (64, 36), "navy").save(file := tmp_path / "first.png")
        form.get_by_role("button", name="Add string item").click()
        form.locator(".json-schema-array input[type=file]").set_input_files(file)
        assert send(docs, "createVideoJob", 202)["inputs"] == inputs | {"referenceImages": 1}

        ApiClient(service.url, pair["access"]).wait(job["id"])
        job = send(docs, "getVideoJob", 200, id=job["id"])
        assert re.search(rf"/{job['id']}-[0-9a-f]+\.mp4$", job["cloudinaryUrl"])
        assert docs.request.get(job["cloudinaryUrl"]).headers["content-type"] == "video/mp4"
        docs.reload()  # the page keeps the access token
        assert send(docs, "getTokens", 200)["availableTokens"] == 0


class TestPage:
    @pytest.mark.parametrize(("dark", "width"), [(False, MIDDLE), (True, NARROW)])
    def test_page_looks_like_the_site_and_says_how_to_begin(self, open_page, service, dark, width):
        page = open_page(dark=dark, width=width)
        ground = "getComputedStyle(document.body).backgroundColor"
        page.goto(f"{service.url}/docs")
        colour = page.evaluate(ground)
        page.goto(f"{service.url}{PATH}")
        assert page.title() == "Try the API · Video Studio"
        about = page.get_by_role("region", name="About the API")
        expect(about.get_by_text("Try it here.")).to_be_visible()
        expect(page.get_by_text("Your token balance and its changes.")).to_be_visible()
        assert page.evaluate(ground) == colour
        assert page.locator("html").get_attribute("lang") == "en"
        pages = page.get_by_role("navigation", name="Pages").get_by_role("link")
        paths = [link.get_attribute("href") for link in pages.all()]
        assert paths == ["/video-monitor", "/docs", PATH]
        screenshot(page, f"try-the-api-{width}", whole=False)

    def test_page_without_javascript_names_the_alternatives(self, service):
        # Playwright's Chromium shows no <noscript>, even where JavaScript is off.
        [text] = re.findall(r"<noscript>(.+?)</noscript>", fetch(service, PATH).text)
        assert "This page needs JavaScript" in text
        links = re.findall(r'href="(.+?)"', text)
        assert links == ["/docs", "/api/v1/schema"]
        assert all(fetch(service, link).ok for link in links)

    def test_policy_allows_only_our_own_script_files(self, service):
        # A set of directives: django-csp gives them in another order in each process.
        policy = fetch(service, PATH).headers["content-security-policy"].split("; ")
        assert "script-src 'self'" in policy
        assert "style-src 'self' 'unsafe-inline'" in policy
        assert "unsafe" not in fetch(service, "/").headers["content-security-policy"]


class TestIcon:
    @pytest.mark.parametrize("path", ["/favicon.ico", "/static/studio/icon.svg"])
    def test_icon_is_served(self, service, path):
        answer = fetch(service, path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/svg+xml"


def fetch(service: Stack, path: str) -> requests.Response:
    return requests.get(f"{service.url}{path}", timeout=30)


def send(page: Page, name: str, status: int, **parameters: str) -> Any:
    """Execute the operation of that name, with its example for a body; what it answered."""
    block = opened(page, name)
    for parameter, value in parameters.items():
        block.locator(f'tr[data-param-name="{parameter}"] input').fill(value)
    live = block.locator(".live-responses-table")
    if live.count():  # of an earlier call
        block.get_by_role("button", name="Clear", exact=True).click()
        expect(live).to_have_count(0)
    with page.expect_response(lambda response: response.request.method != "OPTIONS"):
        block.get_by_role("button", name="Execute").click()
    expect(live.locator(".response-col_status").last).to_contain_text(str(status))
    return json.loads(live.locator("pre code").first.inner_text())


def opened(page: Page, name: str) -> Locator:
    block = page.locator(f'[id^="operations-"][id$="-{name}"]')
    if "is-open" not in (block.get_attribute("class") or ""):
        block.locator(".opblock-summary-control").click()
    return block


def authorize(page: Page, access: str) -> None:
    page.locator(".auth-wrapper .btn.authorize").first.click()
    dialog = page.locator(".modal-ux")
    expect(dialog).to_contain_text("POST /api/v1/auth/token")
    dialog.locator("input").fill(access)
    dialog.locator(".modal-btn.authorize").click()
    dialog.locator(".btn-done").click()
