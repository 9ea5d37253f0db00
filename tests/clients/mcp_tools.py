"""FastMCP, for the test of the documented MCP server, in a virtual environment of its own.

`python -m tests.clients.mcp_tools`, a part of `make test`, installs the versions of
requirements-mcp.txt. It brings thirty packages that nothing else needs.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements-mcp.txt"
FOLDER = Path(sys.prefix) / "mcp"
INSTALLED = FOLDER / REQUIREMENTS.name  # a copy, written last
PYTHON = FOLDER / "bin" / "python"


def python() -> Path:
    """Its interpreter. The installation is made by `make mcp-tools`."""
    assert _is_current(), "The test of the MCP server needs once `make mcp-tools`."
    return PYTHON


def _is_current() -> bool:
    return INSTALLED.exists() and INSTALLED.read_text() == REQUIREMENTS.read_text()


def install() -> None:
    venv.create(FOLDER, clear=True, with_pip=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "-q", "-r", REQUIREMENTS], check=True)
    shutil.copy(REQUIREMENTS, INSTALLED)


if __name__ == "__main__" and not _is_current():
    print("Installing FastMCP for a test, which takes a while", file=sys.stderr)
    install()
