"""/api/v1/docs in a browser: a new user makes a video with this page alone."""

import json
import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser import screenshot

pytestmark = [pytest.mark.live, pytest.mark.once]


@pytest.fixture
def docs(page, service):
    page.goto(f"{service.url}/api/v1/docs")
    expect(page.get_by_role("heading", name="Video Studio")).to_be_visible()
    return page


class TestTryOut:
    def test_new_user_registers_and_makes_a_video(self, docs):
        account = send(docs, "register", 201)
        assert account["username"] == "alice"
        pair = send(docs, "logIn", 200)
        authorize(docs, pair["access"])
        assert send(docs, "getAccount", 200) == account

        job = send(docs, "createVideoJob", 202)
        assert job["mockMode"] is True
        for _ in range(30):
            job = send(docs, "getVideoJob", 200, id=job["id"])
            if job["status"] == "SUCCEEDED":
                break
            docs.wait_for_timeout(500)
        assert re.search(rf"/{job['id']}-[0-9a-f]+\.mp4$", job["cloudinaryUrl"])
        assert docs.request.get(job["cloudinaryUrl"]).headers["content-type"] == "video/mp4"
        assert send(docs, "getTokens", 200)["availableTokens"] == 50

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data"])
    def test_first_order_is_accepted_as_it_is_filled_in(self, docs, service, kind):
        alice = service.user(kind.partition("/")[0], tokens=50)
        authorize(docs, alice.headers["Authorization"].removeprefix("Bearer "))
        choose_body(docs, "createVideoJob", kind)
        job = send(docs, "createVideoJob", 202)
        assert job["prompt"] == "A lighthouse at dusk, waves rolling in"
        assert job["inputs"] == {"initialImage": False, "endFrame": False, "referenceImages": 0}

    def test_order_with_images_is_accepted(self, docs, service, tmp_path):
        alice = service.user("painter", tokens=50)
        Image.new("RGB", (64, 36), "navy").save(file := tmp_path / "first.png")
        authorize(docs, alice.headers["Authorization"].removeprefix("Bearer "))
        choose_body(docs, "createVideoJob", "multipart/form-data")
        form = opened(docs, "createVideoJob")
        form.get_by_role("button", name="Add string item").click()
        form.locator(".json-schema-array input[type=file]").set_input_files(file)
        job = send(docs, "createVideoJob", 202)
        assert job["inputs"] == {"initialImage": False, "endFrame": False, "referenceImages": 1}

    def test_access_token_is_kept_when_the_page_is_reloaded(self, docs, service):
        alice = service.user("reloader", tokens=50)
        authorize(docs, alice.headers["Authorization"].removeprefix("Bearer "))
        docs.reload()
        assert send(docs, "getTokens", 200)["availableTokens"] == 150

    def test_refusal_is_shown(self, open_page, service):
        page = open_page(tolerate="401")
        page.goto(f"{service.url}/api/v1/docs")
        assert send(page, "getTokens", 401)["code"] == "not_authenticated"


class TestPage:
    def test_page_links_to_the_other_pages(self, docs, service):
        assert docs.title() == "Try the API · Video Studio"
        pages = docs.get_by_role("navigation", name="Pages").get_by_role("link")
        paths = [link.get_attribute("href") for link in pages.all()]
        assert paths == ["/video-monitor", "/docs", "/api/v1/docs"]

    def test_page_fits_a_narrow_window(self, docs):
        screenshot(docs, "try-the-api-1280", whole=False)
        docs.set_viewport_size({"width": 390, "height": 844})
        assert docs.evaluate("document.documentElement.scrollWidth <= innerWidth")
        screenshot(docs, "try-the-api-390", whole=False)

    @pytest.mark.parametrize("dark", [False, True])
    def test_page_has_the_colours_of_the_site_and_is_accessible(self, open_page, service, dark):
        page = open_page(dark=dark, tolerate="Applying inline style")  # axe does
        ground = "getComputedStyle(document.body).backgroundColor"
        page.goto(f"{service.url}/docs")
        colour = page.evaluate(ground)
        page.goto(f"{service.url}/api/v1/docs")
        expect(page.get_by_text("Your token balance, and each change of it.")).to_be_visible()
        assert page.evaluate(ground) == colour
        assert page.locator("html").get_attribute("lang") == "en"
        assert not [each["id"] for each in Axe().run(page).response["violations"]]

    def test_page_without_javascript_names_the_alternatives(self, open_page, service):
        # Playwright's Chromium shows no <noscript>, even where JavaScript is off.
        request = open_page().request
        html = request.get(f"{service.url}/api/v1/docs").text()
        [text] = re.findall(r"<noscript>(.+?)</noscript>", html)
        assert "This page needs JavaScript" in text
        links = re.findall(r'href="(.+?)"', text)
        assert links == ["/docs", "/api/v1/schema"]
        assert all(request.get(f"{service.url}{link}").ok for link in links)

    def test_page_says_how_to_begin(self, docs):
        about = docs.get_by_role("region", name="About the API")
        expect(about.get_by_text("Try it here.")).to_be_visible()
        expect(docs.get_by_text("Your token balance, and each change of it.")).to_be_visible()

    def test_policy_allows_only_our_own_script_files(self, docs, service):
        answer = docs.request.get(f"{service.url}/api/v1/docs")
        # A set of directives: django-csp gives them in another order in each process.
        policy = answer.headers["content-security-policy"].split("; ")
        assert "script-src 'self'" in policy
        assert "style-src 'self' 'unsafe-inline'" in policy
        others = docs.request.get(service.url).headers["content-security-policy"]
        assert "unsafe" not in others


class TestIcon:
    @pytest.mark.parametrize("path", ["/favicon.ico", "/static/studio/icon.svg"])
    def test_icon_is_served(self, docs, service, path):
        answer = docs.request.get(f"{service.url}{path}")
        assert answer.status == 200
        assert answer.headers["content-type"] == "image/svg+xml"


def send(page: Page, name: str, status: int, **parameters: str) -> Any:
    """Execute the operation of that name, with its example for a body; what it answered."""
    block = opened(page, name)
    for parameter, value in parameters.items():
        block.locator(f'tr[data-param-name="{parameter}"] input').fill(value)
    with page.expect_response(lambda response: response.request.method != "OPTIONS"):
        block.get_by_role("button", name="Execute").click()
    live = block.locator(".live-responses-table")
    expect(live.locator(".response-col_status").last).to_contain_text(str(status))
    return json.loads(live.locator("pre code").first.inner_text())


def opened(page: Page, name: str) -> Locator:
    block = page.locator(f'[id^="operations-"][id$="-{name}"]')
    if "is-open" not in (block.get_attribute("class") or ""):
        block.locator(".opblock-summary-control").click()
    return block


def choose_body(page: Page, name: str, kind: str) -> None:
    block = opened(page, name)
    block.get_by_label("Request content type").select_option(kind)


def authorize(page: Page, access: str) -> None:
    page.locator(".auth-wrapper .btn.authorize").first.click()
    dialog = page.locator(".modal-ux")
    expect(dialog).to_contain_text("POST /api/v1/auth/token")
    dialog.locator("input").fill(access)
    dialog.locator(".modal-btn.authorize").click()
    dialog.locator(".btn-done").click()
