"""The pictures of docs/, taken from the running product: `make pictures`.

The machine needs a font with emoji (Debian: fonts-noto-color-emoji), which job logs begin with.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests import chromium
from tests.browser import FLAGS
from tests.front_end import serve_front_end
from tests.pages import scene
from tests.pages.staff_studio import PASSWORD, open_studio
from tests.run import PROJECT
from tests.stack import Stack

FOLDER = PROJECT / "docs" / "pictures"
MOST = 150_000  # bytes
LIST = "/admin/jobs/videojob/"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with _browser() as browser:
        with open_studio(jobs=160, VIDEO_MAX_ACTIVE_JOBS="4") as studio:
            _staff(browser, studio)
        with Stack(env=scene.ENV) as studio:
            _monitor(browser, studio)
        with serve_front_end() as front_end:
            allowed = {"CORS_ALLOWED_ORIGINS": front_end.origin, "MOCK_SECONDS": "16"}
            with Stack(env=allowed) as studio:
                front_end.studio_url = studio.url
                _front_end(browser, studio, front_end.origin)


def _staff(browser: Browser, studio: Stack) -> None:
    page = browser.new_page(base_url=studio.url, viewport={"width": 1200, "height": 800})
    page.goto("/admin/")
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_timeout(1_000)  # until the charts are drawn
    _take(page, "staff-overview", height=860)

    page.goto(f"{LIST}?q=maria@example.com")
    _take(page, "staff-list", height=620)
    page.get_by_role("row", name="paper dancers").locator("th a").click()
    page.wait_for_timeout(2_000)  # until the video's spinner ends
    _take(page, "staff-job", height=800)
    page.get_by_role("link", name="Refund").click()
    _take(page, "staff-refund", height=560)

    page.goto(f"{LIST}?error_code=provider.unavailable&ordered=hour")
    page.get_by_label("Select all objects on this page").check()
    page.get_by_label("Action:").select_option("Refund selected jobs")
    page.get_by_role("button", name="Go").click()
    _take(page, "staff-bulk", height=860)

    page.goto("/admin/accounts/user/?q=maria")
    _take(page, "staff-user", height=700)


def _monitor(browser: Browser, studio: Stack) -> None:
    scene.fill(studio)
    page = browser.new_page(viewport={"width": 1500, "height": 920})
    page.goto(f"{studio.url}/video-monitor")
    page.wait_for_timeout(2_000)  # until the newest figures and posters are there
    _take(page, "monitor", height=920)


def _front_end(browser: Browser, studio: Stack, origin: str) -> None:
    user = studio.user("alice", tokens=500)
    done = user.wait(user.create(prompt="A lighthouse at dusk, waves rolling in").json()["id"])
    first_frame: Any = {
        "name": "harbour.jpg",
        "mimeType": "image/jpeg",
        "buffer": user.get(urlsplit(done["posterUrl"]).path).content,
    }
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto(origin)
    page.get_by_text("Use an access token").click()
    page.get_by_label("Access token").fill(user.headers["Authorization"].removeprefix("Bearer "))
    page.get_by_role("button", name="Use token").click()
    page.get_by_label("Prompt", exact=True).fill(
        "A boat drifts out of the harbour, early morning light"
    )
    page.get_by_label("First frame").set_input_files(first_frame)
    page.get_by_role("button", name="Generate Video").click()
    page.get_by_text("Video generation in progress...").first.wait_for()
    page.wait_for_timeout(7_000)  # until the progress shows
    _take(page, "frontend", height=1000)


def _take(page: Page, name: str, *, height: int) -> None:
    """The top of the page; in fewer colours where the file would be large."""
    width = page.viewport_size["width"] if page.viewport_size else 1200
    page.set_viewport_size({"width": width, "height": height})
    image = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    file = FOLDER / f"{name}.png"
    image.save(file, optimize=True)
    if file.stat().st_size > MOST:
        image.quantize(256, kmeans=2, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.relative_to(PROJECT)}: {file.stat().st_size // 1000} KB")


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = chromium.find(own=playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path or None, args=FLAGS)
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
