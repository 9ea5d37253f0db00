"""Which browser the tests drive: the machine's own Chromium or Chrome, else Playwright's.

`python -m tests.chromium`, a part of `make test`, installs one where there is none. BROWSER=0
leaves the browser tests out; BROWSER=/path/to/chrome drives that one.
"""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "No browser for the tests: install Chromium (apt-get install chromium), "
    "or leave these tests out with BROWSER=0."
)


def is_wanted() -> bool:
    return os.environ.get("BROWSER", "").lower() not in ("0", "no", "false", "off")


def find(*, own: str) -> str:
    """The path of a browser, or "" where there is none; `own` is where Playwright's would be."""
    names = [os.environ.get("BROWSER", ""), *NAMES, own]
    return next((path for name in names if name and (path := shutil.which(name))), "")


def _find() -> str:
    with sync_playwright() as playwright:
        return find(own=playwright.chromium.executable_path)


def _install() -> None:
    """Debian's where we may, since it comes with fonts and libraries; Playwright's elsewhere."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            quiet = {"DEBIAN_FRONTEND": "noninteractive"}
            _try("apt-get", "--quiet=2", *arguments, env=os.environ | quiet)
    if not _find():
        _try(sys.executable, "-m", "playwright", "install", "chromium", env=dict(os.environ))


def _try(*command: str, env: dict[str, str]) -> None:
    """Its output is long and, where another way is left, wrong: whether it helped is seen after."""
    subprocess.run(command, env=env, capture_output=True, timeout=900, check=False)


if __name__ == "__main__" and is_wanted() and not _find():
    print("Installing Chromium for the browser tests, which takes a while", file=sys.stderr)
    _install()
    if not _find():
        sys.exit(MISSING)
