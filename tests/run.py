"""What the processes of one test run share: an environment, a folder, new databases."""

import atexit
import contextlib
import fcntl
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

PROJECT = Path(__file__).parent.parent
SQLITE = "sqlite:///"


def _defaults() -> dict[str, str]:
    """The values of .env.example; each of them overrides the developer's own .env."""
    example = (PROJECT / ".env.example").read_text()
    lines = re.findall(r"^(# )?([A-Z_]+)=(.*)$", example, re.MULTILINE)
    return {name: "" if unset else value for unset, name, value in lines}


# The environment of tests and their servers; only PATH and DATABASE_URL come from outside.
ENVIRONMENT = _defaults() | {
    "PATH": os.environ.get("PATH", os.defpath),
    "NO_PROXY": "*",
    "SECRET_KEY": "known to everybody, since it is for tests on one machine only",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "HTTPS_ONLY": "false",
}
EMPTY_IS_INVALID = (
    *("DATABASE_URL", "MEDIA_ROOT", "VIDEO_DEFAULT_MOCK_MODE", "VIDEO_MOCK_TOKENS"),
    *("VIDEO_KEEP_DAYS", "JOB_KEEP_DAYS"),
)
for name in EMPTY_IS_INVALID:
    del ENVIRONMENT[name]


def run_folder() -> Path:
    """Created by the run's first process, which also removes it and the template databases listed
    in it. The run's other processes find it in the environment."""
    if "TEST_RUN_FOLDER" not in os.environ:
        os.environ["TEST_RUN_FOLDER"] = tempfile.mkdtemp(prefix="videostudio-tests-")
        atexit.register(_clean, run_folder())
    return Path(os.environ["TEST_RUN_FOLDER"])


@contextlib.contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """The URL of a new migrated database: on the PostgreSQL `server` or, if `server` is no
    postgres:// URL, an SQLite file."""
    url = _create(server, f"stack_{secrets.token_hex(6)}", like=_template(server))
    try:
        yield url
    finally:
        drop_database(server, url)


def sqlite_file(url: str) -> Path | None:
    """The file of a sqlite:/// URL; None for PostgreSQL."""
    return None if is_postgres(url) else Path(url.removeprefix("sqlite:///"))


def is_postgres(url: str) -> bool:
    return url.startswith(("postgres://", "postgresql://"))


def _template(server: str) -> str:
    """The URL of a migrated database, made by the first process of the run that needs it."""
    key = sha256((server if is_postgres(server) else SQLITE).encode()).hexdigest()[:8]
    note = run_folder() / f"{key}.template"
    with (run_folder() / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            url = _create(server, f"template_{secrets.token_hex(6)}")
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--verbosity=0", "--skip-checks"],
                cwd=PROJECT,
                env=ENVIRONMENT | {"DATABASE_URL": url},
                check=True,
            )
            note.write_text(f"{server}\n{url}")
    return note.read_text().splitlines()[1]


def _create(server: str, name: str, like: str = "") -> str:
    if is_postgres(server):
        template = f' TEMPLATE "{_name(like)}"' if like else ""
        _execute(server, f'CREATE DATABASE "{name}"{template}')
        return urlsplit(server)._replace(path=f"/{name}").geturl()
    file = run_folder() / f"{name}.sqlite3"
    if like:  # not open, so there is no write-ahead log
        shutil.copyfile(sqlite_file(like) or "", file)
    return f"sqlite:///{file}"


def drop_database(server: str, url: str) -> None:
    if is_postgres(url):
        with contextlib.suppress(psycopg.OperationalError):  # the server has stopped
            _execute(server, f'DROP DATABASE IF EXISTS "{_name(url)}" WITH (FORCE)')
    else:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{sqlite_file(url)}{suffix}").unlink(missing_ok=True)


def _execute(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
        connection.execute(statement.encode())


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _clean(folder: Path) -> None:
    for note in folder.glob("*.template"):
        drop_database(*note.read_text().splitlines())
    shutil.rmtree(folder)
