"""Queries that Django builds once: to build one takes it longer than to ask."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from jobs.models import VideoJob

ANY = UUID(int=0)  # stands, when it is built, for a key that is told when it is asked


class Prepared:
    """A query of `values_list` whose only parameters are ids, in the order of `rows`."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self.build = build

    def rows(self, *ids: UUID) -> Iterable[Any]:
        sql, compiler, converters = self._built
        with connection.cursor() as cursor:
            cursor.execute(sql, [as_key(id) for id in ids])
            rows = cursor.fetchall()
        return compiler.apply_converters(rows, converters) if converters else rows

    @cached_property
    def _built(self) -> tuple[str, Any, dict]:
        compiler = self.build().query.get_compiler(connection=connection)
        sql, _ = compiler.as_sql()
        return sql, compiler, compiler.get_converters([column for column, *_ in compiler.select])


def as_key(id: UUID) -> Any:
    """As this database takes it."""
    return VideoJob._meta.pk.get_db_prep_value(id, connection)
