"""Django's database cache, made fit for counting: no count is lost between processes."""

from datetime import timedelta
from typing import Any

from django.core.cache.backends.db import DatabaseCache
from django.db import connections, router
from django.utils import timezone


class CountingDatabaseCache(DatabaseCache):
    """With a `count` that loses none. The stock `incr` reads, writes and forgets the expiry.

    `add` is atomic as it is: there the table's primary key decides. The stock limit of 300 entries
    is raised, since culling deletes living counters; OPTIONS["MAX_ENTRIES"] still overrides it.
    """

    _table: str

    def __init__(self, table: str, params: dict[str, Any]) -> None:
        options = {"MAX_ENTRIES": 20_000, **params.get("OPTIONS", {})}
        super().__init__(table, {**params, "OPTIONS": options})

    def count(self, key: str, timeout: int) -> int:
        """How often this was called for `key`, which is forgotten by the first `purge` that comes
        `timeout` seconds after the first time.

        One statement, where `incr` and `add` take up to five. The number is kept as it is, so that
        the database can add to it: `get` cannot read it, nor `count` what `set` wrote.
        """
        with connections[router.db_for_write(self.cache_model_class)].cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {self._table} AS kept (cache_key, value, expires) VALUES (%s, %s, %s)"
                " ON CONFLICT (cache_key) DO UPDATE"
                " SET value = CAST(CAST(kept.value AS bigint) + 1 AS text) RETURNING value",
                [self.make_and_validate_key(key), "1", self._moment(timeout)],
            )
            return int(cursor.fetchone()[0])

    def purge(self) -> int:
        """Delete what has expired; returns how many. The stock cache does so once it is full."""
        with connections[router.db_for_write(self.cache_model_class)].cursor() as cursor:
            cursor.execute(f"DELETE FROM {self._table} WHERE expires < %s", [self._moment(0)])
            return cursor.rowcount

    def _moment(self, seconds: int) -> Any:
        """So many seconds from now, as this database keeps it."""
        moment = timezone.now() + timedelta(seconds=seconds)
        ops = connections[router.db_for_write(self.cache_model_class)].ops
        return ops.adapt_datetimefield_value(moment.replace(microsecond=0))
