"""What must hold for the service to do its work: the checks of `/readyz` and `manage.py doctor`."""

from collections.abc import Callable
from datetime import timedelta
from shutil import disk_usage
from tempfile import TemporaryFile, gettempdir

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from jobs import restores
from jobs.models import VideoJob
from jobs.stats import queries
from jobs.worker import leases

LATE = timedelta(seconds=60)  # a job whose next step is this late is not processed
MIN_FREE_BYTES = 20_000_000  # two of the largest images
UNKNOWN = "cannot be checked"


class NotReady(Exception):
    """A check failed. The text is public."""


def outcome(check: Callable[[], None]) -> str:
    """ "ok", or what is wrong."""
    try:
        check()
    except NotReady as reason:
        return str(reason)
    except Exception:  # any failure means not ready
        return UNKNOWN
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady("migrations are missing")


def _workers() -> None:
    if not queries.clocks().workers_alive(now=timezone.now()):
        raise NotReady("no worker cluster is alive")


def _running() -> None:
    if VideoJob.objects.running().due(now=timezone.now() - LATE).exists():
        raise NotReady("a running job's next step is late")


def _waiting() -> None:
    now = timezone.now()
    if leases.submission_stalled(since=now - LATE, now=now):
        raise NotReady("a waiting job that could start does not")


def _restore() -> None:
    if restores.is_unconfirmed():
        raise NotReady("the database was restored: run manage.py after_restore")


def _temporary_folder() -> None:
    """Of this web process: uploads above 2.5 MB are written to it."""
    try:
        with TemporaryFile() as file:
            file.write(b"-")
        free = disk_usage(gettempdir()).free
    except OSError:
        free = 0
    if free < MIN_FREE_BYTES:
        raise NotReady("the temporary folder is full or cannot be written")


CHECKS = {
    "database": _database,
    "migrations": _migrations,
    "workers": _workers,
    "running": _running,
    "waiting": _waiting,
    "restore": _restore,
    "temporaryFolder": _temporary_folder,
}
