"""The receiver of the webhooks in `bench.chaos`: each job's end must arrive, under one id."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from tests.client import ApiClient
from tests.receiver import Receiver, reply
from tests.stack import Stack

PENDING = "SELECT count(*) FROM jobs_webhookdelivery WHERE next_try_at IS NOT NULL"
STATUS = "SELECT status FROM jobs_videojob WHERE id = %s"


class Ends:
    def __init__(self, receiver: Receiver, stack: Stack) -> None:
        self.receiver, self.stack = receiver, stack
        self.verifiers: dict[str, Verifier] = {}  # by the path of the user's webhook
        self.ids: dict[str, set[str]] = defaultdict(set)  # of the events, by job
        self.types: dict[str, set[str]] = defaultdict(set)  # by job
        self.wrong: list[str] = []
        self.lock = threading.Lock()
        receiver.answer = self._take

    def listen(self, user: ApiClient, name: str) -> None:
        """Make the webhook of `user`."""
        answer = user.put("/api/v1/webhook", json={"url": f"{self.receiver.url}/{name}"})
        assert answer.status_code == 201, answer.text
        self.verifiers[f"/hook/{name}"] = Verifier(answer.json()["secret"])

    def are_pending(self) -> bool:
        return bool(self.stack.sql(PENDING)[0][0])

    def broken_promises(self, statuses: dict[str, str]) -> Iterator[str]:
        """`statuses`: that of each job, by its id."""
        yield from self.wrong
        for id, status in statuses.items():
            if self.types[id] != {f"video_job.{status.lower()}"}:
                yield f"the end of job {id} ({status}) arrived as {self.types[id] or 'nothing'}"
            if len(self.ids[id]) > 1:
                yield f"the end of job {id} arrived under {len(self.ids[id])} ids"

    def _take(self, handler: Any) -> None:
        got = handler.got
        try:
            event = self.verifiers[got.path].verify(got.body, got.headers)
        except WebhookVerificationError as error:
            self.wrong.append(f"a webhook has a wrong signature: {error}")
            return reply(handler, 400)
        id = event["data"]["id"]
        with suppress(psycopg.OperationalError):  # the database is down
            [(status,)] = self.stack.sql(STATUS, id)
            if event["type"] != f"video_job.{status.lower()}":
                self.wrong.append(f"{event['type']} of job {id} arrived while it was {status}")
        with self.lock:
            self.ids[id].add(got.headers["webhook-id"])
            self.types[id].add(event["type"])
        return reply(handler, 204)
