"""The commands of the installation guide name what exists, and fit the files that they install."""

import re
import shlex
import subprocess
from collections import defaultdict

import pytest
from django.core.management import get_commands, load_command_class

from tests.core.test_settings import read
from tests.docs.markdown import blocks
from tests.docs.test_deployment import READ
from tests.run import PROJECT

pytestmark = pytest.mark.once

GUIDE = PROJECT / "docs" / "installation.md"
COMMANDS = [block.text.replace("\\\n", " ") for block in blocks(GUIDE) if block.language == "sh"]
SHELL = "\n".join(COMMANDS)
FILES = dict(re.findall(r"^cat > (\S+) <<END\n(.*?)^END$", SHELL, re.MULTILINE | re.DOTALL))
DJANGO = [
    shlex.split(line)
    for line in re.findall(r"manage\.py ([^)\n]+)", re.sub(r'"(\$\w+)"', r"\1", SHELL))
]
VARIABLES = {
    name: value.replace("$SITE", "studio.example.com")
    for name, value in re.findall(r"^(\w+)=(?:\$\(.*\)|(.*))$", FILES[".env"], re.MULTILINE)
}


def unit(name: str) -> dict[str, list[str]]:
    """The values of each key, which may be given more than once."""
    text = (PROJECT / "deploy" / "systemd" / name).read_text()
    values: dict[str, list[str]] = defaultdict(list)
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        values[key].append(value)
    return values


class TestCommands:
    def test_blocks_are_a_valid_script(self):
        checked = subprocess.run(
            ["bash", "-n"], input=SHELL, text=True, capture_output=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")

    @pytest.mark.parametrize("line", DJANGO, ids=" ".join)
    def test_arguments_of_each_command_are_accepted(self, line):
        name, *arguments = line
        command = load_command_class(get_commands()[name], name)
        command.create_parser("manage.py", name).parse_args(arguments)

    def test_guide_shows_all_steps(self):
        named = [name for name, *_ in DJANGO]
        assert named == [
            *("collectstatic", "migrate", "createsuperuser", "doctor", "grant_tokens"),
            *("create_key", "check", "collectstatic", "migrate", "doctor"),
        ]

    def test_files_that_are_copied_exist(self):
        named = re.findall(r"(?<![\w/])deploy/\S+", SHELL)
        assert len(named) == 6
        for name in named:
            assert list(PROJECT.glob(name)), name

    def test_units_that_are_started_are_copied(self):
        started = set(re.findall(r"videostudio-\w+\.\w+", SHELL.split("enable --now")[1]))
        copied = set(re.findall(r"deploy/systemd/(\S+\.\w+)", SHELL))
        assert started == copied == {file.name for file in PROJECT.glob("deploy/systemd/*")}


class TestSettings:
    def test_each_line_is_a_setting(self):
        assert set(VARIABLES) <= READ

    def test_service_starts_with_them(self):
        secret = "x" * 43  # what the commands in the other lines print
        settings = read(**{name: value or secret for name, value in VARIABLES.items()})
        assert settings["UNKNOWN_NAMES"] == {}
        database = settings["DATABASES"]["default"]
        assert (database["HOST"], database["NAME"], database["USER"]) == (
            *("/var/run/postgresql", "videostudio", "videostudio"),
        )


class TestPlaces:
    @pytest.mark.parametrize("name", ["videostudio-web.service", "videostudio-worker.service"])
    def test_units_and_guide_name_the_same_user_and_folders(self, name):
        service = unit(name)
        [home], [user], [state] = (
            service[key] for key in ("WorkingDirectory", "User", "StateDirectory")
        )
        assert f"useradd --system --home-dir {home} " in SHELL
        assert re.search(rf"useradd .* {user}$", SHELL, re.MULTILINE)
        assert f"MEDIA_ROOT={VARIABLES['MEDIA_ROOT']}" in service["Environment"]
        [runtime] = service["RuntimeDirectory"]
        assert f"PROMETHEUS_MULTIPROC_DIR=/run/{runtime}" in service["Environment"]
        writable = f"/var/lib/{state}/"
        for folder in (VARIABLES["MEDIA_ROOT"], VARIABLES["STAGING_DIR"]):
            assert folder.startswith(writable)
            assert re.search(rf"^install -d .* {folder}$", SHELL, re.MULTILINE)

    def test_service_can_be_reached_on_this_machine_only(self):
        port = unit("videostudio-web.socket")["ListenStream"][0].rpartition(":")[2]
        drop_in = FILES["/etc/systemd/system/videostudio-web.socket.d/local.conf"]
        assert drop_in.splitlines() == [
            "[Socket]",
            "ListenStream=",
            f"ListenStream=127.0.0.1:{port}",
        ]

    def test_proxy_gets_the_variables_that_its_file_reads(self):
        caddyfile = (PROJECT / "deploy" / "Caddyfile").read_text()
        drop_in = FILES["/etc/systemd/system/caddy.service.d/videostudio.conf"]
        given = dict(re.findall(r"(\w+)=([\w$./:]+)", drop_in.partition("Environment=")[2]))
        assert set(given) == set(re.findall(r"\{\$(\w+)", caddyfile))
        assert f"{given['MEDIA_PARENT']}/media" == VARIABLES["MEDIA_ROOT"]
        assert f"ListenStream={given['UPSTREAM']}" in SHELL
