"""The files of an older revision of this repository."""

import io
import subprocess
import tarfile
from pathlib import Path

from tests.run import PROJECT

COMMITS_BACK = 50  # of the default, if the repository has no tags


def default() -> str:
    """The newest tag, or a revision some commits back."""
    tag = _git("describe", "--tags", "--abbrev=0", "HEAD^", check=False).decode().strip()
    return tag or _git("rev-parse", f"HEAD~{COMMITS_BACK}").decode().strip()


def describe(revision: str) -> str:
    return _git("show", "-s", "--format=%h of %ad, %s", "--date=short", revision).decode().strip()


def extract(revision: str, folder: Path) -> Path:
    """Write the files of `revision` to `folder`. Unlike a worktree, they leave nothing in .git."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", revision))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _git(*arguments: str, check: bool = True) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, check=check)
    return done.stdout
