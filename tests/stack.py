"""The whole service as real processes on a new database, for live tests and benchmarks.

    with Stack(env={"MOCK_SECONDS": "1"}) as stack:
        alice = stack.user("alice", tokens=50)
        job = alice.create(prompt="A lighthouse at dusk").json()
        assert alice.wait(job["id"])["status"] == "SUCCEEDED"

Each process and its children have the stack's mark in their environment. So a stack can check at
its end that no process is left, not even an orphan.
"""

import contextlib
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psycopg
import requests

from tests.client import ApiClient
from tests.postgres import free_port
from tests.processes import alive, parent, pids
from tests.run import ENVIRONMENT, PROJECT, fresh_database, run_folder, sqlite_file

Process = subprocess.Popen[bytes]

UNTHROTTLED = {
    "THROTTLE_AUTH": "10000/min",
    "THROTTLE_LOGIN_NAME": "10000/min",
    "THROTTLE_CREATE": "100000/min",
}

FAST_PASSWORDS = {"DJANGO_SETTINGS_MODULE": "tests.stack_settings"}

OF_USER = "(SELECT id FROM accounts_user WHERE username = %s)"
OPEN_ACCOUNT = f"""
    INSERT INTO tokens_ledger_account (user_id, balance) VALUES ({OF_USER}, 0)
    ON CONFLICT (user_id) DO NOTHING
"""
ADD_ENTRY = f"""
    INSERT INTO tokens_ledger_entry
        (account_id, kind, amount, balance_after, reference, note, created_at)
    SELECT user_id, 'grant', %s, balance + %s, '', 'for a test', %s
    FROM tokens_ledger_account WHERE user_id = {OF_USER}
"""
ADD_TOKENS = f"UPDATE tokens_ledger_account SET balance = balance + %s WHERE user_id = {OF_USER}"


class Stack:
    """Runs `webs` gunicorns and `clusters` of workers.

    The database is created on `server`, a URL (default: DATABASE_URL). `google` and `cloudinary`
    are URLs of the fake services. `env` overrides all other settings. `project` is the folder of
    the code to run.
    """

    def __init__(
        self,
        *,
        server: str = "",
        webs: int = 1,
        clusters: int = 1,
        google: str = "",
        cloudinary: str = "",
        env: Mapping[str, str] | None = None,
        project: Path = PROJECT,
    ) -> None:
        self.project = project
        self.server = server or os.environ.get("DATABASE_URL", "")
        self.webs, self.clusters = webs, clusters
        self.mark = f"TEST_STACK={secrets.token_hex(8)}"
        self.folder = run_folder() / self.mark
        self.env = ENVIRONMENT | UNTHROTTLED | dict([self.mark.split("=")])
        if "PYTEST_VERSION" in os.environ and project == PROJECT:  # benchmarks measure the real one
            self.env |= FAST_PASSWORDS
        self.env |= _google(google) | _cloudinary(cloudinary) | dict(env or {})
        self.urls: list[str] = []
        self.inherited: tuple[int, ...] = ()  # open files of ours that new processes inherit
        self.started: dict[Path, Process] = {}
        self.commands: dict[Path, tuple[tuple[str, ...], dict[str, str]]] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            opened.callback(shutil.rmtree, self.folder)
            for variable, name in {"MEDIA_ROOT": "media", "TMPDIR": "tmp"}.items():
                (self.folder / name).mkdir(parents=True)
                self.env[variable] = str(self.folder / name)
            self.database_url = opened.enter_context(fresh_database(self.server))
            self.env["DATABASE_URL"] = self.database_url
            opened.callback(self.stop)
            for _ in range(self.webs):
                self.start_web()
            for _ in range(self.clusters):
                self.start_cluster()
            if self.webs and self.clusters:
                self.wait_until_ready()
            self.opened = opened.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.opened.__exit__(*exception)

    @property
    def url(self) -> str:
        return self.urls[0]

    def start_web(self) -> Process:
        port = free_port()
        log = self.start(
            *("web", "-m", "gunicorn", "-c", "python:videostudio.gunicorn", "videostudio.wsgi"),
            env={"PORT": str(port)},
        )
        self.urls.append(f"http://127.0.0.1:{port}")
        self._wait_for(f"{self.urls[-1]}/healthz", [self.started[log]])
        return self.started[log]

    def start_cluster(self) -> Process:
        return self.started[self.start("cluster", "manage.py", "qcluster")]

    def wait_until_ready(self) -> None:
        """Wait until the first web process finds a migrated database and live workers."""
        running = [each for each in self.started.values() if each.poll() is None]
        self._wait_for(f"{self.url}/readyz", running, pause=0.3)  # it costs 20 ms

    def manage(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "manage.py", *map(str, arguments)],
            cwd=self.project,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0 or not check, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of `query`, whose parameters are written %s on both databases."""
        file = sqlite_file(self.database_url)
        connection: Any = (
            sqlite3.connect(file, timeout=30) if file else psycopg.connect(self.database_url)
        )
        with contextlib.closing(connection):
            cursor = connection.execute(query.replace("%s", "?") if file else query, parameters)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
        return rows

    def user(self, name: str, tokens: int = 0) -> ApiClient:
        """A new user, signed in."""
        client, password = ApiClient(self.url), secrets.token_urlsafe(12)
        client.register(name, password)
        client.sign_in(name, password)
        if tokens:
            self.grant(name, tokens)
        return client

    def grant(self, name: str, tokens: int) -> None:
        """What `manage.py grant_tokens` does; the command takes a second to start."""
        self.sql(OPEN_ACCOUNT, name)
        self.sql(ADD_ENTRY, tokens, tokens, datetime.now(UTC).isoformat(" "), name)
        self.sql(ADD_TOKENS, tokens, name)

    # ---- Processes ----

    def alive(self) -> dict[int, str]:
        """The command line of each running process of this stack, by process id."""
        for process in self.started.values():
            process.poll()
        return alive(self.mark)

    def descendants(self, pid: int) -> list[int]:
        """The children of `pid`, each followed by its own children."""
        parents = {each: parent(each) for each in pids()}

        def of(one: int) -> list[int]:
            children = [child for child, parent in parents.items() if parent == one]
            return [each for child in children for each in (child, *of(child))]

        return of(pid)

    def kill(self, pid: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Send the signal `how`; after SIGKILL wait until the process is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        if how == signal.SIGKILL:
            assert until(lambda: pid not in self.alive(), seconds=10)

    def stop(self, seconds: float = 30) -> None:
        """End all processes; one that SIGTERM does not end in time is an error."""
        for process in self.started.values():
            process.terminate()
        until(lambda: not self.alive(), seconds)
        left = self.alive()
        for pid in left:
            self.kill(pid)
        for process in self.started.values():
            process.wait()
        assert not left, f"not gone {seconds} s after SIGTERM: {left}\n{self.output()}"

    def output(self, lines: int = 100) -> str:
        """The last lines of each process's log."""
        logs = [(log.name, log.read_text(errors="replace")) for log in self.started]
        return "\n".join(
            "\n".join([f"---- {name} ----", *text.splitlines()[-lines:]]) for name, text in logs
        )

    def restart_ended(self) -> int:
        """Start what has ended again, as a process manager would; return how many these were."""
        ended = [log for log, process in self.started.items() if process.poll() is not None]
        for log in ended:
            self._run(log)
        return len(ended)

    def restart(self, log: Path, seconds: float = 60) -> None:
        """SIGTERM one process, wait for its normal end, and start it again."""
        self.started[log].terminate()
        assert self.started[log].wait(seconds) == 0, self.output()
        self._run(log)

    def start(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> Path:
        """Start a Python process; return its log, which is its key in `started`."""
        log = self.folder / f"{name}-{len(self.started)}.log"
        self.commands[log] = arguments, dict(env or {})
        self._run(log)
        return log

    def _run(self, log: Path) -> None:
        arguments, env = self.commands[log]
        with log.open("ab") as output:
            self.started[log] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.project,
                env=self.env | {"PYTHONUNBUFFERED": "1"} | env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C goes to the tests, which then stop the stack
                pass_fds=self.inherited,
            )

    def _wait_for(self, url: str, needed: list[Process], pause: float = 0.1) -> None:
        def answers() -> bool:
            ended = [each.args for each in needed if each.poll() is not None]
            assert not ended, f"{ended} ended\n{self.output()}"
            with contextlib.suppress(requests.ConnectionError):
                return ApiClient("").get(url).status_code == 200
            return False

        assert until(answers, seconds=60, pause=pause), f"{url} never answered 200\n{self.output()}"


def _google(url: str) -> dict[str, str]:
    key = {"GOOGLE_API_KEY": "test-google-key", "GOOGLE_CLOUD_PROJECT": "test-project"}
    return key | {"GOOGLE_VERTEX_BASE_URL": url} if url else {}


def _cloudinary(url: str) -> dict[str, str]:
    account = {"CLOUD_NAME": "test-cloud", "UPLOAD_PREFIX": url}
    account |= {"API_KEY": "test-cloudinary-key", "API_SECRET": "test-cloudinary-secret"}
    named = {f"CLOUDINARY_{name}": value for name, value in account.items()}
    return named | {"USE_CLOUDINARY": "true"} if url else {}


def until(done: Callable[[], object], seconds: float, pause: float = 0.1) -> bool:
    """Whether `done()` becomes true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
