"""Django's database cache with an atomic counter."""

from datetime import timedelta
from typing import Any

from django.core.cache.backends.db import DatabaseCache
from django.db import connections, router
from django.utils import timezone


class CountingDatabaseCache(DatabaseCache):
    """Adds an atomic `count`. The stock `incr` is not atomic and resets the expiry.

    `add` is atomic already, by the table's primary key. The stock limit of 300 entries is raised,
    because culling deletes live counters; OPTIONS["MAX_ENTRIES"] still overrides it.
    """

    _table: str

    def __init__(self, table: str, params: dict[str, Any]) -> None:
        options = {"MAX_ENTRIES": 20_000, **params.get("OPTIONS", {})}
        super().__init__(table, {**params, "OPTIONS": options})

    def count(self, key: str, timeout: int, delta: int = 1) -> int:
        """Add `delta` to the counter `key`; return its value. The first `purge` at least `timeout`
        seconds after the first call deletes the counter.

        One statement, where `incr` and `add` need up to five. The number is stored unpickled, so
        that the database can increment it: `get` cannot read it, and `count` cannot read values
        that `set` wrote.
        """
        with connections[router.db_for_write(self.cache_model_class)].cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {self._table} AS item (cache_key, value, expires) VALUES (%s, %s, %s)"
                " ON CONFLICT (cache_key) DO UPDATE"
                " SET value = CAST(CAST(item.value AS bigint) + %s AS text) RETURNING value",
                [self.make_and_validate_key(key), str(delta), self._moment(timeout), delta],
            )
            return int(cursor.fetchone()[0])

    def purge(self) -> int:
        """Delete expired entries; return how many. The stock cache only does so when it is full."""
        with connections[router.db_for_write(self.cache_model_class)].cursor() as cursor:
            cursor.execute(f"DELETE FROM {self._table} WHERE expires < %s", [self._moment(0)])
            return cursor.rowcount

    def _moment(self, seconds: int) -> Any:
        """The time `seconds` from now, in the database's format."""
        moment = timezone.now() + timedelta(seconds=seconds)
        ops = connections[router.db_for_write(self.cache_model_class)].ops
        return ops.adapt_datetimefield_value(moment.replace(microsecond=0))
