"""The browser for the tests: the machine's Chromium or Chrome, else Playwright's.

`python -m tests.chromium`, a part of `make test`, installs one if there is none. BROWSER=0 disables
the browser tests; BROWSER=/path/to/chrome selects a browser.
"""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

# The headless shell comes first because it uses less CPU: it has no user interface of its own.
NAMES = (
    *("chromium-headless-shell", "chromium", "chromium-browser"),
    *("google-chrome", "google-chrome-stable"),
)
PACKAGES = ("chromium", "chromium-headless-shell")  # Debian's; the first brings fonts
MISSING = (
    "No browser for the tests: install Chromium (apt-get install chromium), "
    "or leave these tests out with BROWSER=0."
)


def is_wanted() -> bool:
    return os.environ.get("BROWSER", "").lower() not in ("0", "no", "false", "off")


def find(*, own: str) -> str:
    """The path of a browser, or "" if there is none; `own` is where Playwright's would be."""
    names = [os.environ.get("BROWSER", ""), *NAMES, own]
    return next((path for name in names if name and (path := shutil.which(name))), "")


def _find() -> str:
    with sync_playwright() as playwright:
        return find(own=playwright.chromium.executable_path)


def _install() -> None:
    """Install Debian's browser if permitted, since it includes fonts and libraries; else
    Playwright's.
    """
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        _try("apt-get", "--quiet=2", "update", env=quiet)
        for package in PACKAGES:
            install = ("install", "--yes", "--no-install-recommends", package)
            _try("apt-get", "--quiet=2", *install, env=quiet)
    if not _find():
        _try(sys.executable, "-m", "playwright", "install", "chromium", env=dict(os.environ))


def _try(*command: str, env: dict[str, str]) -> None:
    """Run without output. The return code is ignored, because the caller checks the result."""
    subprocess.run(command, env=env, capture_output=True, timeout=900, check=False)


if __name__ == "__main__" and is_wanted() and not _find():
    print("Installing Chromium for the browser tests, which takes a while", file=sys.stderr)
    _install()
    if not _find():
        sys.exit(MISSING)
