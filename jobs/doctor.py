"""What `manage.py doctor` reports: each thing that the service depends on, tried once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryFile, gettempdir
from uuid import uuid4

from django.conf import settings
from django.core.cache import cache
from django.core.checks import CheckMessage, Tags, run_checks
from django.db import connection
from django.utils import timezone

from jobs import model_availability, readiness
from jobs.providers import veo_check
from jobs.stats import database, periodic, processes
from jobs.storage import trial
from jobs.worker import staging
from videostudio.core.logs import scrub

MAX_CLOCK_SECONDS = 1.0  # between this machine and the database
LITTLE_BYTES = 1_000_000_000


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "not checked"


Results = Iterator[tuple[Level, str]]


@dataclass(frozen=True)
class Finding:
    part: str
    level: Level
    sentence: str  # on one line, without secrets


def examine() -> Iterator[Finding]:
    """The findings of each part, in the order of PARTS. If the database fails, those that need it
    are skipped."""
    has_database = True
    for part, check in PARTS.items():
        if not has_database and part in NEED_DATABASE:
            yield Finding(part, Level.SKIPPED, "The database does not answer.")
            continue
        for level, sentence in _results(check):
            has_database &= (part, level) != ("database", Level.FAILED)
            yield Finding(part, level, scrub(" ".join(sentence.split())))


def _results(check: Callable[[], Results]) -> Results:
    try:
        yield from check()
    except Exception as error:  # any exception is a finding
        yield Level.FAILED, f"{type(error).__name__}: {error}"


def _settings() -> Results:
    messages = run_checks(include_deployment_checks=True)
    yield from _messages(messages) or [(Level.OK, "`check --deploy` finds nothing.")]


def _messages(messages: list[CheckMessage]) -> list[tuple[Level, str]]:
    return [
        (
            Level.FAILED if message.is_serious() else Level.WARNING,
            f"{message.msg} {message.hint or ''} ({message.id})",
        )
        for message in messages
        if not message.is_silenced()
    ]


def _database() -> Results:
    milliseconds = database.round_trip_seconds() * 1000
    version = ".".join(map(str, connection.get_database_version()))
    yield Level.OK, f"{connection.display_name} {version} answers in {milliseconds:.0f} ms."
    if found := database.connections():
        yield Level.OK, f"It allows {found.limit} connections; {found.open} are open."
    yield from _messages(run_checks(tags=[Tags.database], databases=["default"]))


def _ready(name: str, well: str) -> tuple[Level, str]:
    """A check of `/readyz`."""
    said = readiness.outcome(readiness.CHECKS[name])
    return (Level.OK, well) if said == "ok" else (Level.FAILED, f"{said.capitalize()}.")


def _migrations() -> Results:
    yield _ready("migrations", "All are applied.")


def _cache() -> Results:
    key = f"doctor-{uuid4()}"
    cache.set(key, "written", 60)
    read = cache.get(key)
    cache.delete(key)
    if read == "written":
        yield Level.OK, f"{'Redis' if settings.REDIS_URL else 'The database'} keeps values."
    else:
        yield Level.FAILED, "A value that was written cannot be read."


def _storage() -> Results:
    trial.run()
    where = "Cloudinary" if settings.USE_CLOUDINARY else settings.MEDIA_ROOT
    yield Level.OK, f"{where} stored, delivered and deleted a small video."


def _google() -> Results:
    for finding in veo_check.findings(models=model_availability.names_by_google_id()):
        is_wanted = settings.VIDEO_DEFAULT_MOCK_MODE is not True
        level = {
            veo_check.Problem.NONE: Level.OK,
            veo_check.Problem.NO_KEY: Level.WARNING if is_wanted else Level.OK,
        }.get(finding.problem, Level.FAILED)
        yield level, f"{finding.subject}: {finding.sentence}"


def _workers() -> Results:
    yield _ready("workers", "A cluster works.")
    yield _ready("running", "No running job is late.")
    yield _ready("waiting", "No job waits that could start.")
    yield _ready("restore", "No restored database waits for after_restore.")
    now = timezone.now()
    found = processes.current(now=now)
    for kind in processes.Kind.values:
        for row in found.silent(kind):
            yield Level.WARNING, f"{row} is silent."
    for (kind, version), number in found.alive().items():
        same = version == processes.version()
        which = "this code" if same else f"other code ({version})"
        yield Level.OK if same else Level.WARNING, f"{kind}: {number} with {which}."
    for run in periodic.last_runs():
        if run.has_failed:
            yield Level.WARNING, f"The last run of {run.name} failed: {run.error}."


def _clock() -> Results:
    if connection.vendor != "postgresql":
        yield Level.OK, "The database is on this machine."
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [there] = cursor.fetchone()
    seconds = abs((timezone.now() - there).total_seconds())
    level = Level.OK if seconds <= MAX_CLOCK_SECONDS else Level.FAILED
    yield level, f"It differs from the database's by {seconds:.1f} seconds."


def _disk() -> Results:
    yield _folder("temporary files", Path(gettempdir()), enough=LITTLE_BYTES)
    yield _folder("finished videos", staging.folder(), enough=settings.STAGING_MAX_BYTES)
    if not settings.USE_CLOUDINARY:
        yield _folder("stored videos", Path(settings.MEDIA_ROOT), enough=LITTLE_BYTES)


def _folder(kind: str, path: Path, *, enough: int) -> tuple[Level, str]:
    free = disk_usage(path).free
    sentence = f"{path} ({kind}): {free / 1e9:.1f} GB are free."
    if free < readiness.MIN_FREE_BYTES:
        return Level.FAILED, sentence
    with TemporaryFile(dir=path) as file:
        file.write(b"-")
    if free < enough:
        return Level.WARNING, f"{sentence} {enough / 1e9:.1f} GB may be needed."
    return Level.OK, sentence


PARTS = {
    "settings": _settings,
    "database": _database,
    "migrations": _migrations,
    "cache": _cache,
    "workers": _workers,
    "clock": _clock,
    "storage": _storage,
    "Google": _google,
    "disk": _disk,
}
NEED_DATABASE = ("migrations", "cache", "workers", "clock")
