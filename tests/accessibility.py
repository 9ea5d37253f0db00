"""What axe finds on a page, and whether the page fits a desktop and a phone."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser import MIDDLE, NARROW
from tests.stack import until

AXE = Axe().axe_script
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
OPTIONS = {"resultTypes": ["violations"]}
ALL = "options => axe.run(document, options).then(found => found.violations)"
# axe takes seconds for the contrast of a long page. Texts with the same styles from the root on
# have the same contrast, so one of each is enough.
CONTRAST = """options => {
    const known = new Map(), texts = new Map();
    const styles = element => {
        if (!element) return "";
        if (!known.has(element)) {
            const { color, backgroundColor, backgroundImage, opacity, fontSize, fontWeight,
                textShadow, visibility, position } = getComputedStyle(element);
            known.set(element, [styles(element.parentElement), color, backgroundColor,
                backgroundImage, opacity, fontSize, fontWeight, textShadow, visibility, position,
            ].join());
        }
        return known.get(element);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (walker.currentNode.data.trim() && element.checkVisibility())
            texts.set(styles(element), element);
    }
    return axe.run({ include: [...texts.values()] }, options).then(found => found.violations);
}"""


def problems(page: Page) -> list[str]:
    """What axe finds on a desktop in light colours and on a phone in dark ones, and where the page
    scrolls sideways."""
    page.evaluate(AXE)
    found = []
    for width, dark in ((MIDDLE, False), (NARROW, True)):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if dark else "light")
        if not until(lambda: not page.evaluate(TOO_WIDE), seconds=3):  # charts take a moment
            found.append(f"{width}: scrolls sideways")
        found += [f"{width}: {each}" for each in _violations(page)]
    return found


def _violations(page: Page) -> list[str]:
    rest: dict[str, Any] = {"rules": {"color-contrast": {"enabled": False}}}
    found = page.evaluate(ALL, rest | OPTIONS)
    found += page.evaluate(CONTRAST, {"runOnly": ["color-contrast"]} | OPTIONS)
    return [
        f"{each['id']} ({each['impact']}) {[node['html'][:200] for node in each['nodes'][:3]]}"
        for each in found
    ]
