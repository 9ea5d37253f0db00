"""Clients that usual generators make of the OpenAPI document order videos of a running service."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.api.schema_examples import PIXEL
from tests.client import ApiClient
from tests.clients import node_tools
from tests.clients.node_tools import HERE
from tests.stack import Stack

pytestmark = pytest.mark.live

PASSWORD = "tall ships at anchor"


@pytest.fixture(scope="module")
def document(service):
    """The document as the running service sends it."""
    answer = ApiClient(service.url).get("/api/v1/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def write(document: Any, folder: Path) -> Path:
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    return file


def generate_python(document: Any, folder: Path) -> None:
    """A package `studio_client` in `folder`; a warning of the generator is an error."""
    config = folder / "config.yaml"
    config.write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
    command += ["--meta", "none", "--config", str(config)]
    command += ["--path", str(write(document, folder))]
    command += ["--output-path", str(folder / "studio_client")]
    run(command, folder)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def order_in_python(folder: Path, service: Stack, name: str) -> dict[str, Any]:
    ApiClient(service.url).register(name, PASSWORD)
    program = [sys.executable, str(HERE / "order_video.py")]
    return json.loads(run([*program, service.url, name, PASSWORD, PIXEL], folder))


def check(seen: dict[str, Any], jobs: int) -> None:
    """What each program saw: a refused order, and then `jobs` videos, and its account deleted."""
    assert seen["refused"] == [400, "invalid"]
    assert len(seen["jobs"]) == jobs
    for job in seen["jobs"]:
        assert job["status"] == "SUCCEEDED"
        assert job["inputs"]["initialImage"] is True
        assert (job["negativePrompt"], job["seed"]) == ("rain", 4_294_967_295)
        assert job["logs"][0]["level"] == "info"
    assert seen["private"] == [*[True] * jobs, False]
    assert sorted(seen["listed"]) == sorted(job["id"] for job in seen["jobs"])
    assert seen["kinds"] == [*["charge"] * jobs, "grant"]
    assert bytes(seen["start"]) == b"ftyp"
    assert seen["deleted"] == 204


class TestOpenapiPythonClient:
    def test_orders_videos_by_json_and_multipart(self, document, service, tmp_path):
        generate_python(document, tmp_path)
        check(order_in_python(tmp_path, service, "pythonista"), jobs=2)

    def test_of_an_older_document_reads_values_added_since(self, document, service, tmp_path):
        generate_python(older(document), tmp_path)
        check(order_in_python(tmp_path, service, "pythonista-2025"), jobs=2)


class TestOpenapiTs:
    def test_orders_a_video_and_compiles_strictly(self, document, service, tmp_path):
        file = write(document, tmp_path)
        output = tmp_path / "studio_client"
        node_tools.run("openapi-ts", "--no-log-file", "-i", file, "-o", output, cwd=tmp_path)
        for name in ("order_video.ts", "tsconfig.json"):
            shutil.copy(HERE / name, tmp_path)
        node_tools.run("tsc", "--project", tmp_path, cwd=tmp_path)
        ApiClient(service.url).register("typist", PASSWORD)
        program = tmp_path / "built" / "order_video.js"
        seen = node_tools.run_script(program, "typist", PASSWORD, PIXEL, cwd=tmp_path)
        check(json.loads(seen), jobs=1)


class TestRedocly:
    def test_finds_no_fault_in_the_document(self, document, tmp_path):
        file = write(document, tmp_path)
        config = HERE / "redocly.yaml"
        report = ("lint", "--config", config, "--format", "json", file)
        found = json.loads(node_tools.run("redocly", *report, cwd=tmp_path))
        assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def older(document: Any) -> Any:
    """A document from before a status, a level, a kind, a model, an error and a field existed."""
    old = json.loads(json.dumps(document))
    schemas = old["components"]["schemas"]
    for enum, value in (("VideoJobStatus", "SUCCEEDED"), ("LogLevel", "info")):
        forget(schemas[enum], value)
    forget(schemas["LedgerEntryKind"], "charge")
    schemas["VideoJob"]["properties"].pop("clientReference")
    schemas["VideoJob"]["required"].remove("clientReference")
    del old["paths"]["/api/v1/video-jobs"]["post"]["responses"]["400"]
    return old


def forget(enum: Any, value: str) -> None:
    place = enum["enum"].index(value)
    del enum["enum"][place], enum["x-enum-varnames"][place]
