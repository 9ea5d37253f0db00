"""/docs in a browser: it fits each width and colour scheme, and its code can be copied."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import MIDDLE, NARROW, WIDE, screenshot

pytestmark = [pytest.mark.live, pytest.mark.once]


class TestGuide:
    @pytest.mark.parametrize("dark", [False, True])
    def test_guide_fits_each_width_and_is_accessible(self, service, open_page, dark):
        page = open_page(dark=dark)
        page.goto(f"{service.url}/docs")
        assert page.title() == "API guide · Video Studio"
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert not Axe().run(page).response["violations"]
        for width in (NARROW, MIDDLE, WIDE):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            name = f"guide-{width}-{'dark' if dark else 'light'}"
            screenshot(page, name, whole=False)
            page.goto(f"{service.url}/docs#create-a-job")
            screenshot(page, f"{name}-table", whole=False)

    def test_button_copies_a_block_of_code(self, service, open_page):
        page = open_page(permissions=["clipboard-read", "clipboard-write"])
        page.goto(f"{service.url}/docs")
        block = page.locator(".code").filter(has_text="STUDIO=").first
        block.get_by_role("button", name="Copy").click()
        expect(block.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(f"STUDIO={service.url}\nfield()")

    def test_button_copies_without_the_clipboard_api(self, service, open_page):
        page = open_page()
        page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.goto(f"{service.url}/docs")
        block = page.locator(".code").filter(has_text="STUDIO=").first
        with page.expect_event("console") as said:
            page.evaluate("addEventListener('copy', () => console.log(getSelection().toString()))")
            block.get_by_role("button", name="Copy").click()
        assert said.value.text.startswith(f"STUDIO={service.url}\nfield()")

    def test_contents_link_to_the_sections(self, service, page):
        page.goto(f"{service.url}/docs")
        page.get_by_role("navigation", name="On this page").get_by_text("Idempotency").click()
        expect(page.get_by_role("heading", name="Idempotency")).to_be_in_viewport()
        assert page.url.endswith("/docs#idempotency")

    @pytest.mark.parametrize("path", ["/", "/video-monitor", "/api/v1/docs"])
    def test_other_pages_link_to_the_guide(self, service, page, path):
        page.goto(f"{service.url}{path}")
        page.get_by_role("link", name="API guide").first.click()
        expect(page).to_have_url(f"{service.url}/docs")
