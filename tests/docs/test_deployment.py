"""The deployment files are complete and run the same commands."""

import os
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image import image_files
from tests.run import ENVIRONMENT, PROJECT, fresh_database
from videostudio.web import channel

pytestmark = pytest.mark.once


def load(name: str) -> Any:
    return yaml.safe_load((PROJECT / name).read_text())


PROCFILE = load("Procfile")
COMPOSE = load("compose.yaml")["services"]
RENDER = load("render.yaml")
SERVICES = {service["type"]: service for service in RENDER["services"]}
READ = set(re.findall(r"^(?:# )?([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE))


def unit(name: str) -> ConfigParser:
    read = ConfigParser(interpolation=None, strict=False)
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read(PROJECT / "deploy" / "systemd" / f"videostudio-{name}.service")
    return read


class TestCommands:
    def test_commands_of_render_are_those_of_the_procfile(self):
        assert SERVICES["web"]["startCommand"] == PROCFILE["web"]
        assert SERVICES["web"]["preDeployCommand"] == PROCFILE["release"]
        assert SERVICES["worker"]["startCommand"] == PROCFILE["worker"]

    def test_commands_of_compose_are_those_of_the_procfile(self):
        dockerfile = (PROJECT / "Dockerfile").read_text()
        assert f"CMD {PROCFILE['web'].split()!s}".replace("'", '"') in dockerfile
        assert COMPOSE["migrate"]["command"] == PROCFILE["release"]
        assert COMPOSE["worker"]["command"] == PROCFILE["worker"]

    @pytest.mark.parametrize("name", ["web", "worker"])
    def test_commands_of_systemd_are_those_of_the_procfile(self, name):
        started = unit(name)["Service"]["ExecStart"].removeprefix("/srv/videostudio/.venv/bin/")
        assert started == PROCFILE[name]


class TestVariables:
    def test_variables_of_render_are_read(self):
        groups = [each for group in RENDER["envVarGroups"] for each in group["envVars"]]
        own = [each for service in SERVICES.values() for each in service["envVars"]]
        named = {each["key"] for each in [*groups, *own] if "key" in each}
        assert named - READ == {"PYTHON_VERSION"}  # Render's own

    def test_variables_of_render_are_the_same_for_web_and_worker(self):
        names = [
            {each.get("key") or each["fromGroup"] for each in service["envVars"]}
            for service in SERVICES.values()
        ]
        assert names[0] == names[1]

    def test_variables_of_compose_are_read(self):
        assert set(COMPOSE["web"]["environment"]) <= READ

    def test_compose_asks_for_the_required_variables_only(self):
        asked = re.findall(r"\$\{(\w+):\?", (PROJECT / "compose.yaml").read_text())
        assert set(asked) == {"SECRET_KEY", "POSTGRES_PASSWORD"}


class TestCompose:
    def test_only_the_proxy_publishes_ports(self):
        assert {name for name, service in COMPOSE.items() if "ports" in service} == {"proxy"}
        assert {port.split("/")[0] for port in COMPOSE["proxy"]["ports"]} == {"80:80", "443:443"}

    @pytest.mark.parametrize("name", COMPOSE)
    def test_container_is_read_only_and_has_no_capabilities(self, name):
        service = COMPOSE[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])

    def test_proxy_can_only_read_the_videos(self):
        assert "media:/srv/media:ro" in COMPOSE["proxy"]["volumes"]

    def test_proxy_closes_idle_connections_before_the_service(self):
        caddyfile = (PROJECT / "deploy" / "Caddyfile").read_text()
        assert int(re.findall(r"keepalive (\d+)s", caddyfile)[0]) < channel.HEAD_SECONDS


class TestStopTimes:
    """gunicorn needs up to 25 s to end, after a drain of up to 60 s; a cluster needs 30 s."""

    def test_each_deployment_waits_long_enough_for_the_processes_to_end(self):
        assert seconds(COMPOSE["web"]["stop_grace_period"]) >= 86
        assert seconds(COMPOSE["worker"]["stop_grace_period"]) >= 31
        assert seconds(unit("web")["Service"]["TimeoutStopSec"]) >= 86
        assert seconds(unit("worker")["Service"]["TimeoutStopSec"]) >= 31
        assert SERVICES["worker"]["maxShutdownDelaySeconds"] >= 31


IN_THE_IMAGE = """
import django; django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client
loader = MigrationLoader(connection)
assert set(loader.disk_migrations) == set(loader.applied_migrations)
call_command("check")
for path in ("/", "/api/v1/schema", "/api/v1/docs", "/static/studio/studio.css"):
    assert Client().get(path).status_code == 200, path
"""


class TestImage:
    @pytest.mark.slow
    def test_image_contains_all_that_the_service_needs(self, tmp_path):
        """The files that .dockerignore lets in have the migrations, pass `check` and serve the
        pages."""
        with fresh_database(os.environ["DATABASE_URL"]) as url:
            done = subprocess.run(
                [sys.executable, "-c", IN_THE_IMAGE],
                cwd=image_files(tmp_path),
                env=ENVIRONMENT
                | {"DJANGO_SETTINGS_MODULE": "videostudio.settings", "DATABASE_URL": url},
                capture_output=True,
                text=True,
            )
        assert done.returncode == 0, done.stderr

    def test_dockerignore_lets_in_files_that_exist(self):
        let_in = re.findall(r"^!(.+)$", (PROJECT / ".dockerignore").read_text(), re.MULTILINE)
        assert {"requirements.txt", "deploy/healthcheck.py", "manage.py"} <= set(let_in)
        assert all((PROJECT / name).exists() for name in let_in)

    def test_image_does_not_run_as_root(self):
        lines = (PROJECT / "Dockerfile").read_text().splitlines()
        assert "USER studio" in lines
        assert lines.index("USER studio") < next(
            number for number, line in enumerate(lines) if line.startswith("CMD")
        )


class TestPackages:
    @pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
    def test_each_package_has_its_version_and_hashes(self, name):
        text = re.sub(r"^ *#.*\n", "", (PROJECT / name).read_text(), flags=re.MULTILINE)
        pinned = r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}"
        for package in text.replace("\\\n", "").splitlines():
            assert re.match(pinned, package), package

    @pytest.mark.parametrize("name", ["Dockerfile", "render.yaml", "docs/installation.md"])
    def test_each_installation_requires_the_hashes(self, name):
        installed = re.findall(r"pip install .*requirements\.txt", (PROJECT / name).read_text())
        assert installed
        assert all("--require-hashes" in command for command in installed)


class TestImages:
    def test_each_image_has_its_digest(self):
        named = re.findall(r"^ARG PYTHON=(.+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
        named += [service["image"] for service in COMPOSE.values() if "build" not in service]
        assert len(named) == 3
        assert [name for name in named if not PINNED.fullmatch(name)] == []

    def test_image_is_built_from_no_other(self):
        dockerfile = (PROJECT / "Dockerfile").read_text()
        assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"${PYTHON}"}

    def test_new_digests_replace_the_old_ones_and_nothing_else(self, tmp_path):
        done = pin(tmp_path, prints=f"sha256:{'5' * 64}")
        assert done.returncode == 0, done.stderr
        for name in IMAGE_FILES:
            before = (PROJECT / name).read_text()
            assert (tmp_path / name).read_text() == PINNED.sub(rf"\1@sha256:{'5' * 64}", before)
        assert (tmp_path / "asked").read_text().split() == [
            *("python:3.12-slim", "caddy:2", "postgres:17"),
        ]

    def test_nothing_is_replaced_if_docker_prints_no_digest(self, tmp_path):
        done = pin(tmp_path, prints="<nil>")
        assert done.stderr == "python:3.12-slim: docker printed no digest: '<nil>\\n'\n"
        for name in IMAGE_FILES:
            assert (tmp_path / name).read_text() == (PROJECT / name).read_text()


PINNED = re.compile(r"([a-z]+:[\w.-]+)@sha256:[0-9a-f]{64}")
IMAGE_FILES = ["Dockerfile", "compose.yaml"]


def pin(folder: Path, *, prints: str) -> subprocess.CompletedProcess[str]:
    """`make pin-images` in a folder, with a docker that answers `prints` for each image."""
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\nfor tag; do :; done\necho "$tag" >> asked\necho "{prints}"\n')
    docker.chmod(0o755)
    for name in IMAGE_FILES:
        (folder / name).write_text((PROJECT / name).read_text())
    return subprocess.run(
        [sys.executable, PROJECT / "tools" / "pin_images.py"],
        cwd=folder,
        env={"PATH": f"{folder}{os.pathsep}{os.defpath}"},
        capture_output=True,
        text=True,
    )


class TestStaticFiles:
    @pytest.mark.parametrize(
        "name", ["Dockerfile", "render.yaml", "docs/installation.md", "Makefile"]
    )
    def test_static_files_are_collected_where_the_service_is_built(self, name):
        assert "manage.py collectstatic --noinput" in (PROJECT / name).read_text()


@pytest.mark.live
class TestHealthcheck:
    def test_healthcheck_passes_where_web_answers(self, service):
        assert check(PORT=service.url.rpartition(":")[2]).returncode == 0

    def test_healthcheck_fails_where_nobody_answers(self):
        done = check(PORT="1")
        assert done.returncode == 1
        assert "refused" in done.stderr
        assert "Traceback" not in done.stderr


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, Path("deploy") / "healthcheck.py"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))
