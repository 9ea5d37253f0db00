"""Everything that the documentation names exists: links, commands, variables, files, paths."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import resolve

from jobs.models import Stage, Status
from tests.docs.markdown import anchors, links, prose
from tests.run import PROJECT
from videostudio.core.api import errors

pytestmark = pytest.mark.once

PAGES = [
    *PROJECT.glob("*.md"),
    *(
        file
        for folder in ("docs", "videostudio", "examples")
        for file in PROJECT.glob(f"{folder}/**/*.md")
    ),
]
CODE = re.compile(r"```\w*\n.*?```|`[^`\n]+`", re.DOTALL)
PLACES = [PROJECT, PROJECT / "jobs", PROJECT / "jobs" / "api"]  # where a short name may lie
VARIABLES = [".env.example", "Makefile", "compose.yaml", "tests/chromium.py", "tests/postgres.py"]
WORDS = {
    "STUDIO_KEY",
    *Status.values,
    *Stage.names,
    "GET",
    "POST",
    "DELETE",
    "INSERT",
    "UPDATE",
    "SIGTERM",
    "OPTIONS",
}
CONSTANT = re.compile(r"^([A-Z][A-Z0-9_]+)\b(?:: [^=\n]+)? = ", re.MULTILINE)
ROOMS = "\n".join(
    file.read_text()
    for room in ("accounts", "jobs", "tokens_ledger", "videostudio")
    for file in PROJECT.glob(f"{room}/**/*.py")
)
OF_THE_MACHINE = ("/srv/", "/etc/", "/var/", "/run/", "/proc/", "/usr/", "/tmp")
JOB = "550e8400-e29b-41d4-a716-446655440000"


def code(page: Path) -> str:
    """Fenced blocks and words in backticks, one after another."""
    return "\n".join(CODE.findall(page.read_text()))


def words(page: Path, pattern: str) -> list[str]:
    """What stands alone in backticks and looks like `pattern`."""
    return re.findall(rf"`({pattern})`", page.read_text())


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def page(request):
    return request.param


class TestEvery:
    def test_link_leads_somewhere(self, page):
        for link in links(page):
            if re.match(r"https?://", link):
                continue
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link

    def test_conflict_of_a_merge_is_resolved(self, page):
        assert not re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", page.read_text(), re.MULTILINE)

    def test_make_target_exists(self, page):
        makefile = (PROJECT / "Makefile").read_text()
        for target in re.findall(r"\bmake ([a-z][a-z-]+)", code(page)):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target

    def test_command_exists(self, page):
        named = re.findall(r"manage\.py ([a-z_]+)", code(page))
        named += re.findall(r"make manage ARGS='?([a-z_]+)", code(page))
        assert set(named) <= set(get_commands())

    def test_module_exists(self, page):
        for module in re.findall(r"python3? -m ([\w.]+)", code(page)):
            assert find_spec(module), module

    def test_variable_is_read(self, page):
        known = "\n".join((PROJECT / file).read_text() for file in VARIABLES)
        known += "\n".join(CONSTANT.findall(ROOMS))
        for name in words(page, r"[A-Z][A-Z0-9_]+(?:=[^`]*)?"):
            name = name.partition("=")[0]
            assert name in WORDS or re.search(rf"\b{name}\b", known), name

    def test_file_exists(self, page):
        named = words(page, r"[\w.-][\w./-]*\.(?:py|md|yaml|toml|txt|js|css|service|example)")
        named += words(page, r"[a-z_]+(?:/[a-z_]+)*/")
        for name in named:
            assert any((place / name).exists() for place in [*PLACES, page.parent]), name

    def test_path_is_served(self, page):
        for path in re.findall(r"`(?:[A-Z]+ )?(/[a-z][^\s`]*)`", prose(page)):
            if path != "/api/v1" and not path.startswith(OF_THE_MACHINE):
                served = resolve(path.replace("{id}", JOB).partition("?")[0])
                assert served.func is not errors.not_found, path


class TestReadme:
    TEXT = (PROJECT / "README.md").read_text()

    def test_readme_begins_with_two_commands(self):
        first = re.findall(r"```sh\n(.*?)```", self.TEXT, re.DOTALL)[0].splitlines()
        assert len(first) == 2
        assert first[0].startswith("git clone")
        assert first[1] == "make demo"

    def test_readme_names_all_required_variables(self):
        example = (PROJECT / ".env.example").read_text()
        required = re.findall(r"^# Required.*\n(?:# .*\n)*?# ([A-Z_]+)=", example, re.MULTILINE)
        assert required
        assert all(f"| `{name}` |" in self.TEXT for name in required)

    def test_readme_names_every_package(self):
        rooms = {file.parent.name for file in PROJECT.glob("*/apps.py")} | {"accounts", "jobs"}
        assert all(f"`{room}/" in self.TEXT for room in rooms)


@pytest.mark.slow
class TestMakeTest:
    def test_make_test_ends_with_the_list_of_failed_checks(self, tmp_path):
        for stamp in ("run.stamp", "dev.stamp"):
            (tmp_path / stamp).touch()
        ended = subprocess.run(
            [
                *("make", "test", f"VENV={tmp_path}", f"RUN={sys.executable}", "PYTEST=false"),
                *("LINTS=lint-imports check-deploy", "TOOLS=", "ON_POSTGRES="),
                "CHECKS=lint test-sqlite check-migrations",
            ],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], "BROWSER": "0"},
            capture_output=True,
            text=True,
        )
        assert ended.returncode != 0
        assert "System check identified no issues" in ended.stdout  # after lint-imports had failed
        assert "No changes detected" in ended.stdout  # after test-sqlite had failed
        assert ended.stdout.splitlines()[-1] == "Failed: lint test-sqlite"
