"""Wait for a database that is down."""

import logging
from collections.abc import Callable
from time import sleep

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

DATABASE_DOWN = (OperationalError, InterfaceError)
RETRY_SECONDS = 1.0


def retry_while_database_is_down(write: Callable[[], None]) -> None:
    """Call `write` until it succeeds or fails for another reason: its data must not be lost."""
    while True:
        try:
            return write()
        except DATABASE_DOWN:
            logger.warning("waiting for the database", exc_info=True)
            connection.close()
            sleep(RETRY_SECONDS)
