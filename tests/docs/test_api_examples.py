"""Run every command of docs/api.md in order against real servers, and compare every response."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from PIL import Image

from jobs import failures
from jobs.api.request_serializers import CreateVideoJobSerializer
from jobs.api.webhook_serializers import WebhookDeliverySerializer
from jobs.job_json import VideoJobSerializer
from jobs.models import Status
from tests.clients import node_tools
from tests.docs.markdown import Block, blocks, table
from tests.docs.test_links import PAGES
from tests.postgres import free_port
from tests.run import PROJECT, SQLITE
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]

GUIDE = PROJECT / "docs" / "api.md"
OPENAI_PAGE = PROJECT / "docs" / "openai.md"
STUDIO = "http://localhost:8000"
# The one limit that the page runs into; counted by the day, so that no window ends meanwhile.
ENV = {
    "MOCK_SECONDS": "3",
    "THROTTLE_LOGIN_NAME": "10/day",
    "WEBHOOK_ALLOWED_HOSTS": "localhost",
}

EVERY = list(blocks(GUIDE))
COMMANDS = [block for block in EVERY if block.language in ("bash", "sh")]
ANSWERED = [
    (above, block)
    for above, block in itertools.pairwise(EVERY)
    if above.language == "bash" and block.answers and block.language in ("json", "http", "text")
]

SAID = (
    *("detail", "code", "field", "message", "errorCode", "errorMessage", "kind", "note"),
    *("status", "statusMessage", "level", "prompt"),
)
COUNTED = (
    *("tokens", "tokenCost", "cost", "availableTokens", "tokensConsumed", "tokensRefunded"),
    *("amount", "balanceAfter", "charges", "refunds", "jobs"),
)
SOMETIMES_NULL = ("queuePosition", "estimatedSecondsRemaining", "estimatedWaitSeconds")
SHORTENED = ("models", "jobs", "entries")  # the page shows one of several


@pytest.fixture(scope="module")
def studio():
    with Stack(server=SQLITE, env=ENV) as stack:
        yield stack


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the reader sits: a folder with two pictures."""
    folder = tmp_path_factory.mktemp("reader")
    for name, colour in (("first.png", "navy"), ("last.png", "orange")):
        Image.new("RGB", (1280, 720), colour).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def said(studio, folder):
    """Runs all commands in one shell; what each block printed, by its line."""
    steps = ["set -eu"]
    for block in COMMANDS:
        script = folder / f"{block.line}.sh"
        script.write_text(block.text.replace(STUDIO, studio.url))
        here = "." if block.language == "bash" else f"cd {PROJECT} && ."
        step = f"{here} {script} > {folder}/{block.line}.out"
        steps += [f"echo line {block.line} >&2", step if block.language == "bash" else f"({step})"]
    done = subprocess.run(
        ["bash", "-c", "\n".join(steps)],
        cwd=folder,
        env=studio.env | {"PATH": f"{Path(sys.executable).parent}:{studio.env['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    printed = {file.stem: file.read_text() for file in folder.glob("*.out")}
    assert done.returncode == 0, f"{done.stderr}\n{printed}\n{studio.output(20)}"
    return {int(line): text for line, text in printed.items()}


class TestCommands:
    @pytest.mark.parametrize(
        ("command", "answer"), ANSWERED, ids=[f"line-{block.line}" for _, block in ANSWERED]
    )
    def test_answer_as_printed(self, said, command, answer):
        CHECKS[answer.language](answer, said[command.line])

    def test_leave_a_video(self, said, folder):
        assert is_mp4(folder / "video.mp4")

    def test_are_not_few(self):
        assert len(ANSWERED) > 25


class TestQuickStart:
    @pytest.fixture
    def run(self, studio, tmp_path):
        """`run("poor")`: the quick start as a script of that user, whom nobody gives tokens."""

        def run(name: str) -> subprocess.CompletedProcess[str]:
            script = "".join(block.text for block in quick_start())
            script = script.replace(STUDIO, studio.url).replace("alice", name)
            env = studio.env | {"PATH": f"{Path(sys.executable).parent}:{studio.env['PATH']}"}
            return subprocess.run(
                ["bash", "-c", script],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                timeout=60,
            )

        return run

    def test_stops_at_the_first_error_and_shows_the_servers_answer(self, run, tmp_path):
        done = run("poor")
        assert done.returncode != 0
        sentence = "Operation 'video_generation' costs 50 tokens but you have 0."
        assert f"Insufficient tokens. {sentence}" in done.stderr
        assert "Traceback" not in done.stderr
        assert "SUCCEEDED" not in done.stdout
        assert not (tmp_path / "video.mp4").exists()

    def test_stops_where_the_log_in_is_refused(self, run, studio):
        studio.user("elsewhere")  # the name is in use, with another password
        done = run("elsewhere")
        assert done.returncode != 0
        assert "already exists" in done.stdout
        assert "no_active_account" in done.stderr
        assert "Insufficient" not in done.stderr
        assert "Traceback" not in done.stderr


def quick_start() -> list[Block]:
    """Its blocks in bash: between the heading and the next one."""
    lines = GUIDE.read_text().splitlines()
    first = lines.index("## Quick start") + 1
    last = next(n for n, line in enumerate(lines[first:], first) if line.startswith("## "))
    return [block for block in COMMANDS if first < block.line <= last and block.language == "bash"]


class TestCurl:
    FIELD = re.compile(r"(?:^|\s)(?:-F|--form(?![\w-]))[ =]?[\"']?(\w+=.?)", re.MULTILINE)

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_sends_texts_by_form_string(self, page):
        """`-F` would cut a text at a semicolon, and read a file where it begins with @ or <."""
        fields = [field for block in blocks(page) for field in self.FIELD.findall(block.text)]
        assert [field for field in fields if not field.endswith("=@")] == []

    def test_sends_files_by_form(self):
        fields = [field for block in EVERY for field in self.FIELD.findall(block.text)]
        assert set(fields) == {"referenceImages=@", "initialImage=@", "endFrame=@"}

    def test_sends_a_prompt_as_it_stands(self, said, studio):
        query = "SELECT prompt FROM jobs_videojob WHERE prompt LIKE %s"
        [(prompt,)] = studio.sql(query, "A lighthouse at dusk%")
        assert prompt == "A lighthouse at dusk; waves rolling in"


class TestReceiver:
    def test_in_python_prints_the_event_of_a_job(self, studio, folder):
        self.run(studio, folder, "python", [sys.executable, "receiver.py"])

    def test_in_javascript_prints_the_event_of_a_job(self, studio, folder):
        node_tools.link_packages(folder)
        self.run(studio, folder, "js", ["node", "receiver.mjs"])

    def run(self, studio, folder, language, command):
        block = next(each for each in EVERY if each.language == language)
        (folder / command[1]).write_text(block.text)
        user = studio.user(f"receiving-{language}", tokens=50)
        port = free_port()
        answer = user.put("/api/v1/webhook", json={"url": f"http://localhost:{port}/"})
        env = {"WEBHOOK_SECRET": answer.json()["secret"], "PORT": str(port)}
        env["PATH"] = studio.env["PATH"]
        with subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True
        ) as receiver:
            try:
                job = user.wait(user.order()["id"])
                assert receiver.stdout is not None
                line = receiver.stdout.readline().split()
            finally:
                receiver.kill()
        assert line == ["video_job.succeeded", job["id"], job["cloudinaryUrl"]]


class TestTables:
    def test_name_every_endpoint(self):
        text = GUIDE.read_text()
        schema = SchemaGenerator().get_schema(request=None, public=True)
        for path, methods in schema["paths"].items():
            page = OPENAI_PAGE.read_text() if path.startswith("/v1/") else text
            for method in methods:
                assert re.search(rf"`{method.upper()} {re.escape(path)}`", page), (method, path)

    def test_name_every_field_of_an_order(self):
        rows = [row for row in table(GUIDE, "field") if len(row) == 3]
        assert names(rows) == set(CreateVideoJobSerializer().fields)

    def test_name_every_field_of_a_job(self):
        rows = [row for row in table(GUIDE, "field") if len(row) == 2]
        assert names(rows) == set(VideoJobSerializer().fields)

    def test_name_every_field_of_a_delivery(self):
        assert names(table(GUIDE, "field of a delivery")) == set(WebhookDeliverySerializer().fields)

    def test_name_every_status(self):
        rows = [row for row in table(GUIDE, "status") if row[0].startswith("`")]
        assert names(rows) == set(Status.values)

    def test_name_every_error_code(self):
        assert names(table(GUIDE, "`errorCode`")) == set(failures.ERROR_CODES)

    def test_agree_with_the_page_that_tries_requests_out(self):
        page = PROJECT / "videostudio" / "introduction.md"
        pairs = [(row[0], names([row[1:]])) for row in table(page, "status")]
        rows = [row for row in table(GUIDE, "status") if row[0].isdigit()]
        for status, code, _ in rows:
            for name in names([[code]]) if ", in `errors`" not in code else ():
                assert any(status in said and name in codes for said, codes in pairs), name
        assert {name for _, codes in pairs for name in codes} <= names([row[1:] for row in rows])
        assert names(table(page, "`errorCode` of a job")) == set(failures.ERROR_CODES)
        assert invalid_statuses(page) == invalid_statuses(GUIDE)

    def test_name_every_code_that_an_example_shows(self):
        known = names([row[1:] for row in table(GUIDE, "status") if row[0].isdigit()])
        shown = [json.loads(body(block)) for _, block in ANSWERED if '"code"' in block.text]
        assert shown
        assert {each["code"] for each in shown} <= known


def names(rows: list[list[str]]) -> set[str]:
    return {name for row in rows for name in re.findall(r"`([\w.]+)`", row[0])}


def invalid_statuses(page: Path) -> list[str]:
    """The statuses whose body has `field` and `errors`."""
    return re.findall(r"\(400, ([\d, ]+)\)", page.read_text())


def is_mp4(file: Path) -> bool:
    return file.read_bytes()[4:8] == b"ftyp"


def body(block: Block) -> str:
    return block.text.partition("\n\n")[2] if block.language == "http" else block.text


# ---- One function a kind of answer ----


def same_text(answer: Block, said: str) -> None:
    assert said == answer.text


def same_json(answer: Block, said: str) -> None:
    alike(json.loads(answer.text), json.loads(said))


def same_http(answer: Block, said: str) -> None:
    """The status, the headers that are shown, and the body."""
    wanted, got = head(answer.text), head(said)
    assert got["status"] == wanted["status"], said
    assert set(wanted) <= set(got)
    for name in ("content-type", "www-authenticate", "cache-control"):
        assert got.get(name) == wanted.get(name, got.get(name))
    if text := body(answer):
        alike(json.loads(text), json.loads(said.replace("\r", "").partition("\n\n")[2]))


CHECKS = {"text": same_text, "json": same_json, "http": same_http}


def head(text: str) -> dict[str, str]:
    first, *lines = text.replace("\r", "").partition("\n\n")[0].strip().splitlines()
    pairs = [line.partition(": ") for line in lines]
    return {name.lower(): value for name, _, value in pairs} | {"status": first.split()[1]}


def alike(printed: Any, got: Any, name: str = "") -> None:
    """Keys, types, and texts without their numbers are equal, and so are numbers of tokens."""
    if isinstance(printed, dict) and isinstance(got, dict):
        assert list(printed) == list(got), name
        for key, value in printed.items():
            alike(value, got[key], key)
    elif isinstance(printed, list) and isinstance(got, list):
        shown = got[: len(printed)] if name in SHORTENED else got
        assert len(printed) == len(shown), (name, got)
        for one, other in zip(printed, shown, strict=True):
            alike(one, other, name)
    elif name not in SOMETIMES_NULL or None not in (printed, got):
        assert type(printed) is type(got), (name, printed, got)
        assert name not in COUNTED or printed == got, (name, printed, got)
        if name in SAID and isinstance(got, str):
            got = got.replace("in a day.", "in a minute.")  # ENV counts by the day
            assert re.sub(r"\d+", "0", got) == re.sub(r"\d+", "0", printed), name
