"""The users, jobs and requests of the benchmark, in a Django set up for the stack's database."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from django.test import Client
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts import api_keys
from accounts.models import User
from tests.client import MOCK_JOB, ApiClient
from tests.queries import counted
from tokens_ledger import ledger

JOBS = "/api/v1/video-jobs"
MARK = "bench0boundary"
ORDER = {"prompt": "A sunset over mountains, seen from a slow drone"} | MOCK_JOB


@dataclass(frozen=True)
class Request:
    """One request of a user, as bytes for a socket or as a call in this process."""

    path: str
    token: str
    method: str = "GET"
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def wire(self) -> str:
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {self.token}", **self.headers}
        if self.body:
            headers["Content-Length"] = str(len(self.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{lines}\r\n{self.body}"

    def statements(self, status: int) -> int:
        """The number of SQL statements, without BEGIN, COMMIT and savepoints."""
        headers = {"Authorization": f"Bearer {self.token}", **self.headers}
        kind = headers.pop("Content-Type", "")
        with counted() as statements:
            answer = Client().generic(self.method, self.path, self.body, kind, headers=headers)
        assert answer.status_code == status, answer.content
        return len(statements)


def users(count: int) -> list[str]:
    """The access tokens of new users with a large balance."""
    names = [f"user{n}" for n in range(count)]
    made = User.objects.bulk_create(
        User(username=name, email=f"{name}@example.com", password="!") for name in names
    )
    for user in made:
        ledger.grant(user=user, amount=1_000_000, note="For the benchmark")
    return [str(AccessToken.for_user(user)) for user in made]


def owner(tokens: int) -> tuple[UUID, str]:
    """The polled jobs of an owner: id and access token."""
    user = User.objects.create_user("owner", "owner@example.com")
    ledger.grant(user=user, amount=tokens, note="For the benchmark")
    return user.pk, str(AccessToken.for_user(user))


def api_key(user_id: UUID) -> str:
    user = User.objects.get(pk=user_id)
    return api_keys.create(user=user, name="Benchmark", now=timezone.now())[1]


# ---- Requests ----


def polls(ids: Sequence[str], token: str) -> list[Request]:
    return [Request(f"{JOBS}/{id}", token) for id in ids]


def known_polls(ids: Sequence[str], token: str, url: str) -> list[Request]:
    """Polls with the ETag of the last response from the service at `url`."""
    client = ApiClient(url, token)
    return [
        Request(each.path, token, headers={"If-None-Match": client.get(each.path).headers["ETag"]})
        for each in polls(ids, token)
    ]


def floors(ids: Sequence[str], token: str) -> list[Request]:
    return [Request(f"/floor/{id}", token) for id in ids]


def lists(token: str) -> list[Request]:
    return [Request(JOBS, token)]


def forms(tokens: Sequence[str]) -> list[Request]:
    """Orders by multipart, as in the integration guide's clients."""
    parts = (
        f'--{MARK}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in ORDER.items()
    )
    body = "".join(parts) + f"--{MARK}--\r\n"
    return _orders(tokens, body, f"multipart/form-data; boundary={MARK}")


def objects(tokens: Sequence[str]) -> list[Request]:
    """Orders by JSON."""
    return _orders(tokens, json.dumps(ORDER), "application/json")


def _orders(tokens: Sequence[str], body: str, kind: str) -> list[Request]:
    return [Request(JOBS, token, "POST", body, {"Content-Type": kind}) for token in tokens]


# ---- Many jobs ----

NUMBERED = ("tokens_ledger_entry", "jobs_jobevent")
TABLES = ("accounts_user", "tokens_ledger_account", "jobs_jobcount", "jobs_videojob", *NUMBERED)


def same(few: psycopg.Connection, other: psycopg.Connection) -> None:
    """Copy the users, balances and jobs of `few` into the `other` database, which is empty."""
    other.execute("SET session_replication_role = replica")
    for table in TABLES:
        copying = f"COPY {table} {{}} (FORMAT binary)"
        with (
            few.cursor().copy(copying.format("TO STDOUT")) as rows,
            other.cursor().copy(copying.format("FROM STDIN")) as copy,
        ):
            for row in rows:
                copy.write(row)
    for table in NUMBERED:
        other.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
        )
    other.execute("RESET session_replication_role")


def sample(database: psycopg.Connection, count: int) -> list[str]:
    """Ids from all parts of the table, of copies with as many log lines as the original."""
    rows = database.execute("SELECT id FROM bench_copies WHERE age %% 2 = 0 ORDER BY age", ())
    ids = [str(id) for (id,) in rows]
    return random.Random(6).sample(ids, count)
