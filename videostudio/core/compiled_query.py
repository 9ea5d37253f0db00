"""Compile a query's SQL once per process, for a read that most requests make.

Compiling the query of a poll costs more than running it (docs/performance.md). Use this only if a
benchmark shows the need. It supports the default database only.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression, Field, QuerySet


class Param(Expression):
    """A placeholder for a value that each call passes; `field` converts it for the database."""

    def __init__(self, name: str, field: Field) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def bind(self, values: dict[str, Any]) -> Any:
        database = connections[DEFAULT_DB_ALIAS]
        return self.output_field.get_db_prep_value(values[self.name], database)


class CompiledQuery:
    """`CompiledQuery(lambda: Job.objects.filter(pk=Param("pk", UUIDField()))).first(pk=…)`.

    Both methods raise ValidationError for an invalid value.
    """

    def __init__(self, build: Callable[[], QuerySet[Any]]) -> None:
        self.build = build

    def first(self, **values: Any) -> Any:
        """The first instance, or None. The queryset selects whole instances of one model."""
        rows = self.rows(**values)
        if not rows:
            return None
        model = self._compiled[0].query.model
        names = [field.attname for field in model._meta.concrete_fields]
        return model.from_db(DEFAULT_DB_ALIAS, names, rows[0])

    def rows(self, **values: Any) -> Sequence[Sequence[Any]]:
        """All rows, as `values_list` returns them."""
        compiler, sql, params, converters = self._compiled
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            bound = [each.bind(values) if isinstance(each, Param) else each for each in params]
            cursor.execute(sql, bound)
            rows = cursor.fetchall()
        return list(compiler.apply_converters(rows, converters)) if converters else rows

    @cached_property
    def _compiled(self) -> tuple[Any, ...]:
        compiler = self.build().query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_ in compiler.select])
        return compiler, sql, params, converters
