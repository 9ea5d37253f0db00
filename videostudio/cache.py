"""Django's database cache, made fit for counting: no count is lost between processes."""

import base64
import pickle
from typing import Any

from django.core.cache.backends.db import DatabaseCache
from django.db import connections, router
from django.utils import timezone


class CountingDatabaseCache(DatabaseCache):
    """`incr` that loses no count. The stock one reads, writes and forgets the expiry.

    `add` is atomic as it is: there the table's primary key decides. The stock limit of 300 entries
    is raised, since culling deletes living counters; OPTIONS["MAX_ENTRIES"] still overrides it.
    """

    _table: str

    def __init__(self, table: str, params: dict[str, Any]) -> None:
        options = {"MAX_ENTRIES": 20_000, **params.get("OPTIONS", {})}
        super().__init__(table, {**params, "OPTIONS": options})

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add `delta` and return the sum; the expiry stays. ValueError where there is no key.

        Compare and set, without a transaction: where another process was faster, again.
        """
        name = self.make_and_validate_key(key, version=version)
        connection = connections[router.db_for_write(self.cache_model_class)]
        table = connection.ops.quote_name(self._table)
        now = connection.ops.adapt_datetimefield_value(timezone.now().replace(microsecond=0))
        with connection.cursor() as cursor:
            while True:
                cursor.execute(
                    f"SELECT value FROM {table} WHERE cache_key = %s AND expires >= %s",
                    [name, now],
                )
                if not (row := cursor.fetchone()):
                    raise ValueError(f"Key '{key}' not found")
                value = pickle.loads(base64.b64decode(row[0])) + delta
                encoded = base64.b64encode(pickle.dumps(value, self.pickle_protocol)).decode()
                cursor.execute(
                    f"UPDATE {table} SET value = %s WHERE cache_key = %s AND value = %s",
                    [encoded, name, row[0]],
                )
                if cursor.rowcount:
                    return value
