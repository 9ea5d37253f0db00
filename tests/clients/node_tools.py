"""The tools in Node.js for the tests of generated clients: @hey-api/openapi-ts, tsc and redocly.

`python -m tests.clients.node_tools`, a part of `make test`, installs the versions of
package-lock.json into the virtual environment. Only the tests need them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = Path(sys.prefix) / "node"
LOCK = "package-lock.json"
FILES = {"package.json", LOCK, ".npmrc"}
INSTALLED = FOLDER / "installed.json"  # a copy of the lock, written last
MISSING = (
    "The tests of generated clients need Node.js 20.19 or newer with npm (https://nodejs.org), and "
    "then once `make node-tools`."
)


class ToolsMissing(Exception):
    """Node.js or the tools are not installed."""


def run(tool: str, *arguments: str | Path, cwd: Path) -> str:
    """What this tool writes. Raises ToolsMissing, or AssertionError with what it wrote."""
    if not _is_current():
        raise ToolsMissing(MISSING)
    command = [FOLDER / "node_modules" / ".bin" / tool, *arguments]
    return _output(command, cwd=cwd)


def run_script(script: Path, *arguments: str, cwd: Path) -> str:
    """What a program in JavaScript writes."""
    return _output(["node", script, *arguments], cwd=cwd)


def link_packages(folder: Path) -> None:
    """Let programs in `folder` import the installed packages. Raises ToolsMissing."""
    if not _is_current():
        raise ToolsMissing(MISSING)
    (folder / "node_modules").symlink_to(FOLDER / "node_modules")


def install() -> None:
    """Raises ToolsMissing."""
    npm = shutil.which("npm")
    if npm is None:
        raise ToolsMissing(MISSING)
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(HERE, FOLDER, ignore=lambda _, names: {*names} - FILES)
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise ToolsMissing(f"{MISSING}\n{done.stderr}")
    shutil.copy(HERE / LOCK, INSTALLED)


def _is_current() -> bool:
    found = shutil.which("node") and INSTALLED.exists()
    return bool(found) and INSTALLED.read_text() == (HERE / LOCK).read_text()


def _output(command: list[str | Path], *, cwd: Path) -> str:
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__" and not _is_current():
    print("Installing tools in Node.js for the tests, which takes a while", file=sys.stderr)
    try:
        install()
    except ToolsMissing as error:
        sys.exit(str(error))
