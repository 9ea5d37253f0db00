"""/docs in a browser: it reads well in each width and colour, and its code can be copied."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import MIDDLE, NARROW, WIDE, screenshot
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]


@pytest.fixture(scope="module")
def studio():
    with Stack(clusters=0) as stack:
        yield stack


class TestGuide:
    @pytest.mark.parametrize("dark", [False, True])
    def test_fits_each_width_and_is_accessible(self, studio, open_page, dark):
        page = open_page(dark=dark)
        page.goto(f"{studio.url}/docs")
        assert page.title() == "API guide · Video Studio"
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert not Axe().run(page).response["violations"]
        for width in (NARROW, MIDDLE, WIDE):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            name = f"guide-{width}-{'dark' if dark else 'light'}"
            screenshot(page, name, whole=False)
            page.goto(f"{studio.url}/docs#create-a-job")
            screenshot(page, f"{name}-table", whole=False)

    def test_copies_a_block_of_code(self, studio, open_page):
        page = open_page(permissions=["clipboard-read", "clipboard-write"])
        page.goto(f"{studio.url}/docs")
        block = page.locator(".code").filter(has_text="STUDIO=").first
        block.get_by_role("button", name="Copy").click()
        expect(block.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(f"STUDIO={studio.url}\nfield()")

    def test_copies_where_the_browser_has_no_clipboard_for_scripts(self, studio, open_page):
        page = open_page()
        page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.goto(f"{studio.url}/docs")
        block = page.locator(".code").filter(has_text="STUDIO=").first
        with page.expect_event("console") as said:
            page.evaluate("addEventListener('copy', () => console.log(getSelection().toString()))")
            block.get_by_role("button", name="Copy").click()
        assert said.value.text.startswith(f"STUDIO={studio.url}\nfield()")

    def test_jumps_to_a_section(self, studio, page):
        page.goto(f"{studio.url}/docs")
        page.get_by_role("navigation", name="On this page").get_by_text("Idempotency").click()
        expect(page.get_by_role("heading", name="Idempotency")).to_be_in_viewport()
        assert page.url.endswith("/docs#idempotency")

    @pytest.mark.parametrize("path", ["/", "/video-monitor", "/api/v1/docs"])
    def test_is_linked_from_the_other_pages(self, studio, page, path):
        page.goto(f"{studio.url}{path}")
        page.get_by_role("link", name="API guide").first.click()
        expect(page).to_have_url(f"{studio.url}/docs")
