"""Wait for a database that is down."""

import logging
from collections.abc import Callable
from functools import wraps
from time import monotonic, sleep

from django.db import connection

from jobs.worker.shared import state
from videostudio.core.database_errors import DATABASE_DOWN

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
MAX_WAIT_SECONDS = 30.0


def retry_while_database_is_down(write: Callable[[], None]) -> None:
    """Call `write` until it succeeds or raises another error: its data must not be lost."""
    while True:
        try:
            return write()
        except DATABASE_DOWN:
            logger.warning("waiting for the database", exc_info=True)
            connection.close()
            sleep(RETRY_SECONDS)


def connected(task: Callable[..., None]) -> Callable[..., None]:
    """Make `task` wait for a connection first, for at most MAX_WAIT_SECONDS.

    PostgreSQL refuses connections while others hold all of them.
    """

    @wraps(task)
    def waiting(*arguments: object) -> None:
        end = monotonic() + MAX_WAIT_SECONDS
        while not _is_connected():
            if state.is_stopping or monotonic() > end:
                break
            sleep(RETRY_SECONDS)
        task(*arguments)

    return waiting


def _is_connected() -> bool:
    try:
        connection.ensure_connection()
    except DATABASE_DOWN as error:
        logger.warning("waiting for a connection to the database: %s", error)
        return False
    return True
