"""/api/v1/docs in a browser: a newcomer makes a video with nothing but this page."""

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]


@pytest.fixture(scope="module")
def studio():
    with Stack(env={"MOCK_SECONDS": "2", "SIGNUP_GRANT_TOKENS": "100"}) as stack:
        yield stack


@pytest.fixture
def docs(page, studio):
    page.goto(f"{studio.url}/api/v1/docs")
    expect(page.get_by_role("heading", name="Video Studio")).to_be_visible()
    return page


class TestTryOut:
    def test_goes_from_an_account_to_a_video(self, docs):
        account = send(docs, "auth_register_create", 201)
        assert account["username"] == "alice"
        pair = send(docs, "auth_token_create", 200)
        authorize(docs, pair["access"])
        assert send(docs, "auth_me_retrieve", 200) == account

        job = send(docs, "video_jobs_create", 202)
        assert job["mockMode"] is True
        for _ in range(30):
            job = send(docs, "video_jobs_retrieve", 200, id=job["id"])
            if job["status"] == "SUCCEEDED":
                break
            docs.wait_for_timeout(500)
        assert job["cloudinaryUrl"].endswith(f"{job['id']}.mp4")
        assert docs.request.get(job["cloudinaryUrl"]).headers["content-type"] == "video/mp4"
        assert send(docs, "tokens_retrieve", 200)["availableTokens"] == 50

    def test_shows_a_refusal(self, open_page, studio):
        page = open_page(tolerate="401")
        page.goto(f"{studio.url}/api/v1/docs")
        assert send(page, "tokens_retrieve", 401)["code"] == "not_authenticated"


class TestPage:
    def test_tells_how_to_begin(self, docs):
        expect(docs.get_by_text("Try it here.")).to_be_visible()
        expect(docs.get_by_text("Your token balance, and each change of it.")).to_be_visible()

    def test_lets_no_script_in_that_is_no_file_of_ours(self, docs, studio):
        answer = docs.request.get(f"{studio.url}/api/v1/docs")
        # A set of directives: django-csp gives them in another order in each process.
        policy = answer.headers["content-security-policy"].split("; ")
        assert "script-src 'self'" in policy
        assert "style-src 'self' 'unsafe-inline'" in policy
        others = docs.request.get(studio.url).headers["content-security-policy"]
        assert "unsafe" not in others


class TestIcon:
    @pytest.mark.parametrize("path", ["/favicon.ico", "/static/studio/icon.svg"])
    def test_is_there_for_whoever_asks(self, docs, studio, path):
        answer = docs.request.get(f"{studio.url}{path}")
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


def authorize(page: Page, access: str) -> None:
    page.locator(".auth-wrapper .btn.authorize").first.click()
    dialog = page.locator(".modal-ux")
    expect(dialog).to_contain_text("POST /api/v1/auth/token")
    dialog.locator("input").fill(access)
    dialog.locator(".modal-btn.authorize").click()
    dialog.locator(".btn-done").click()
