"""A user's data as a ZIP file: each table as JSON and as CSV, with the names of the HTTP API.

Rows are read and written in batches. No secret is included.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from rest_framework import serializers
from rest_framework.renderers import JSONRenderer

from accounts.api.key_serializers import KeySerializer
from accounts.api.serializers import AccountSerializer
from accounts.models import ApiKey, User
from jobs.api.job_responses import CLIENT_LOG
from jobs.api.webhook_serializers import WebhookSerializer
from jobs.job_json import ShownJob, VideoJobSerializer
from jobs.models import VideoJob, Webhook
from jobs.webhooks import outbox
from tokens_ledger.api.serializers import LedgerEntrySerializer
from tokens_ledger.models import Entry
from videostudio.core.admin import escape_formula

BATCH_SIZE = 500  # rows

Rows = Callable[[], Iterable[Any]]


class ExportedAccountSerializer(AccountSerializer):
    firstName = serializers.CharField(source="first_name")
    lastName = serializers.CharField(source="last_name")
    lastLogin = serializers.DateTimeField(source="last_login")
    balance = serializers.IntegerField(source="token_account.balance", default=0)


class JobSerializer(VideoJobSerializer):
    queuePosition = None  # type: ignore[assignment]
    estimatedSecondsRemaining = None  # type: ignore[assignment]
    webhookUrl = serializers.CharField(source="job.webhook_url")


class RevokedKeySerializer(KeySerializer):
    revokedAt = serializers.DateTimeField(source="revoked_at")


def write(*, user: User, into: IO[bytes], now: datetime) -> None:
    """Write the ZIP file of `user` into a file that is open for writing."""
    with ZipFile(into, "w", ZIP_DEFLATED) as archive:
        for name, (serializer, rows) in _tables(user, now).items():
            with archive.open(f"{name}.json", "w", force_zip64=True) as file:
                _write_json(file, map(serializer.to_representation, rows()))
            with archive.open(f"{name}.csv", "w", force_zip64=True) as file:
                _write_csv(file, serializer.fields, map(serializer.to_representation, rows()))


def _tables(user: User, now: datetime) -> dict[str, tuple[serializers.Serializer, Rows]]:
    """A serializer and a function that reads the rows, oldest first, by the name of the file."""
    entries = Entry.objects.filter(account=user.pk).order_by("id")
    keys = ApiKey.objects.filter(user=user).order_by("created_at", "id")
    return {
        "account": (ExportedAccountSerializer(), lambda: [user]),
        "jobs": (JobSerializer(), lambda: _jobs(user, now)),
        "entries": (LedgerEntrySerializer(), lambda: entries.iterator(chunk_size=BATCH_SIZE)),
        "api_keys": (RevokedKeySerializer(), lambda: keys.iterator(chunk_size=BATCH_SIZE)),
        "webhook": (WebhookSerializer(), lambda: Webhook.objects.filter(user=user)),
    }


def _jobs(user: User, now: datetime) -> Iterator[ShownJob]:
    jobs: Any = VideoJob.objects.for_user(user).order_by("created_at", "id")
    for job in jobs.prefetch_related(CLIENT_LOG).iterator(chunk_size=BATCH_SIZE):
        yield ShownJob(job=job, position=None, now=now, absolute=outbox.absolute(job.origin))


def _write_json(file: IO[bytes], rows: Iterable[Mapping[str, Any]]) -> None:
    file.write(b"[")
    for number, row in enumerate(rows):
        file.write(b",\n" if number else b"\n")
        file.write(JSONRenderer().render(row))
    file.write(b"\n]\n")


def _write_csv(
    file: IO[bytes], names: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> None:
    with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        writer = csv.DictWriter(text, list(names))
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> object:
    """Lists and objects as JSON; text so that a spreadsheet does not read it as a formula."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return escape_formula(value)
