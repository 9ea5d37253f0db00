"""/docs in a browser: its contents and links work, and its code can be copied."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.live, pytest.mark.once]


class TestGuide:
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
        assert page.title() == "API guide · Video Studio"
        page.get_by_role("navigation", name="On this page").get_by_text("Idempotency").click()
        expect(page.get_by_role("heading", name="Idempotency")).to_be_in_viewport()
        assert page.url.endswith("/docs#idempotency")

    def test_other_pages_link_to_the_guide(self, service, page):
        for path in ("/", "/video-monitor", "/api/v1/docs"):
            page.goto(f"{service.url}{path}")
            link = page.get_by_role("link", name="API guide").first
            expect(link).to_have_attribute("href", "/docs")
