"""A real browser for tests of pages: fixtures `browser`, `open_page` and `page`, and screenshots.

    def test_greets(page, studio):
        page.goto(studio.url)
        expect(page.get_by_role("heading", name="Video Studio")).to_be_visible()

A test fails after an error in a page's console or a request to another host. The servers are those
of a `Stack`: pages are what its users see, and the browser is another process.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from tests import chromium
from tests.run import PROJECT

SCREENSHOTS = PROJECT / "build" / "screenshots"
NARROW, MIDDLE, WIDE = 390, 1280, 2560  # pixels
HERE = ("127.0.0.1", "localhost")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
]
PATIENCE = 20_000  # milliseconds, for machines that have more to do
OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """BROWSER=0 leaves out what needs a browser."""
    if not chromium.is_wanted():
        without = [item for item in items if "browser" not in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in without])
        items[:] = without


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    # Its event loop stays in this thread until the end, and Django would refuse other tests their
    # database because of it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as started:
        yield started
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = chromium.find(own=playwright.chromium.executable_path)
    if not path:
        pytest.fail(chromium.MISSING, pytrace=False)
    started = playwright.chromium.launch(executable_path=path, args=FLAGS)
    yield started
    started.close()


def new_page(
    browser: Browser,
    problems: list[str],
    *,
    width: int = MIDDLE,
    height: int = 900,
    dark: bool = False,
    calm: bool = False,
    javascript: bool = True,
    tolerate: str = r"(?!)",
    **options: Any,
) -> Page:
    """A page with cookies and a cache of its own, which adds what goes wrong to `problems`.

    `tolerate` is a pattern of console errors that the test provokes; `options` go to Playwright's
    `new_context`.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce" if calm else "no-preference",
        java_script_enabled=javascript,
        **options,
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    _watch(page, problems, re.compile(tolerate))
    return page


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages, with the options of `new_page`."""
    pages: list[Page] = []
    problems: list[str] = []

    def open_page(**options: Any) -> Page:
        pages.append(new_page(browser, problems, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
    assert not problems, "\n".join(problems)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """One page of the middle width, in light colours."""
    return open_page()


def screenshot(page: Page, name: str, *, whole: bool = True) -> Path:
    """A PNG in build/screenshots, of the `whole` page or of what is in sight."""
    file = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=file, full_page=whole)
    return file


def _watch(page: Page, problems: list[str], tolerated: re.Pattern[str]) -> None:
    def note(kind: str, text: str) -> None:
        if not tolerated.search(text):
            problems.append(f"{kind}: {text}")

    def said(message: Any) -> None:
        if message.type == "error":
            note("console", f"{message.text} {message.location}")

    def asked(request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https", "ws", "wss") and url.hostname not in HERE:
            problems.append(f"request to another host: {request.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: note("script", str(error)))
    page.on("request", asked)
