"""Prometheus' promtool, which checks the alert rules and runs their unit tests.

`python -m tests.promtool`, a part of `make test`, takes it from Debian's package, which it
does not install, unless the machine has it. Only the tests need it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(sys.prefix) / "promtool"
PACKAGE = "prometheus"
MISSING = (
    "The tests of the alert rules need promtool: put that of a release of Prometheus on the PATH, "
    "or run `make promtool` on Debian or Ubuntu."
)


class PromtoolMissing(Exception):
    """promtool is not there."""


def find() -> str:
    """The path of promtool; "" if there is none."""
    return shutil.which("promtool") or shutil.which("promtool", path=f"{FOLDER}/usr/bin") or ""


def run(*arguments: str | Path) -> str:
    """What promtool writes. Raises PromtoolMissing, or AssertionError with what it wrote."""
    if not (promtool := find()):
        raise PromtoolMissing(MISSING)
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def install() -> None:
    """Raises PromtoolMissing."""
    if not shutil.which("apt-get"):
        raise PromtoolMissing(MISSING)
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:  # others use the lists of packages that are there
            _try("apt-get", "--quiet=2", "update", cwd=folder)
        said = _try("apt-get", "--quiet=2", "download", PACKAGE, cwd=folder)
        for package in Path(folder).glob("*.deb"):
            said += _try("dpkg-deb", "--extract", str(package), str(FOLDER), cwd=folder)
    if not find():
        raise PromtoolMissing(f"{MISSING}\n{said}")


def _try(*command: str, cwd: str) -> str:
    """The return code is ignored, because the caller checks the result."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=900, check=False
    )
    return done.stderr


if __name__ == "__main__" and not find():
    print("Getting promtool for the tests of the alert rules", file=sys.stderr)
    try:
        install()
    except PromtoolMissing as error:
        sys.exit(str(error))
