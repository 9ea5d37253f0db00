"""Programs that only tests need, from Debian's packages.

`python -m tests.debian`, a part of `make test`, extracts the packages of those that the machine
lacks, and does not install them.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(sys.prefix) / "debian"
PACKAGES = {"promtool": "prometheus", "pgbouncer": "pgbouncer"}
LIBRARY = re.compile(r"^  Depends: (lib\S+)", re.MULTILINE)


class ProgramMissing(Exception):
    """A program is not there."""

    def __init__(self, name: str, more: str = "") -> None:
        super().__init__(
            f"A test needs {name}: put it on the PATH, "
            f"or run `make debian-tools` on Debian or Ubuntu. {more}"
        )


def find(name: str) -> str:
    """The path of a program. Raises ProgramMissing."""
    folders = [os.environ.get("PATH", os.defpath), "/usr/sbin"]
    folders += [str(FOLDER / "usr" / each) for each in ("bin", "sbin")]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if not found:
        raise ProgramMissing(name)
    return found


def environment() -> dict[str, str]:
    """For a program that has libraries among the extracted packages."""
    folders = [str(folder) for folder in FOLDER.glob("usr/lib/*-linux-gnu*")]
    return {"LD_LIBRARY_PATH": os.pathsep.join(folders)} if folders else {}


def run(name: str, *arguments: str | Path) -> str:
    """What the program writes. Raises ProgramMissing, or AssertionError with what it wrote."""
    done = subprocess.run([find(name), *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def install(name: str) -> None:
    """Raises ProgramMissing."""
    if not shutil.which("apt-get"):
        raise ProgramMissing(name)
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:  # others use the lists of packages that are there
            _try("apt-get", "--quiet=2", "update", cwd=folder)
        needed = LIBRARY.findall(_try("apt-cache", "depends", PACKAGES[name], cwd=folder))
        missing = [
            library
            for library in needed
            if "ok installed" not in _try("dpkg-query", "--status", library, cwd=folder)
        ]
        said = _try(*("apt-get", "--quiet=2", "download", PACKAGES[name], *missing), cwd=folder)
        for package in Path(folder).glob("*.deb"):
            said += _try("dpkg-deb", "--extract", str(package), str(FOLDER), cwd=folder)
    try:
        find(name)
    except ProgramMissing:
        raise ProgramMissing(name, said) from None


def _try(*command: str, cwd: str) -> str:
    """What the command writes. The return code is ignored: the caller checks the result."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=900, check=False
    )
    return done.stdout + done.stderr


def main() -> None:
    for name in PACKAGES:
        try:
            find(name)
        except ProgramMissing:
            print(f"Getting {name} for the tests", file=sys.stderr)
            install(name)


if __name__ == "__main__":
    try:
        main()
    except ProgramMissing as error:
        sys.exit(str(error))
