"""Statements that Django builds once: to build one takes it longer than to ask.

They are written with the ORM, hold a `Param` for each value that is told when they are asked, and
work on the default database. For hot paths that a profile named (docs/performance.md), and for no
others: an ordinary query reads better where it is used.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, cached_property
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, router, transaction
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.sql import InsertQuery, UpdateQuery

# Of these kinds psycopg takes values as they are; for SQLite Django makes text or numbers of them.
PLAIN = (
    models.BooleanField,
    models.CharField,
    models.DateTimeField,
    models.ForeignKey,
    models.IntegerField,
    models.TextField,
    models.UUIDField,
)


class Param(Expression):
    """Stands in a query for the value, of a kind of field, that is told under its `name`."""

    def __init__(self, name: str, field: Field) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def told(self, values: dict[str, Any], database: Any) -> Any:
        """Its value, as `database` takes it."""
        return self.output_field.get_db_prep_value(values[self.name], database)


def key(name: str) -> Param:
    """A `Param` for a UUID."""
    return Param(name, models.UUIDField())


class Select:
    """`Select(lambda: Job.objects.filter(pk=key("id")).values_list("status"))`."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self.build = build

    def rows(self, **values: Any) -> Iterable[Any]:
        sql, params = self._told(values)
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(sql, params)
            return self._found(cursor)

    def then(self, take: Callable[[Iterable[Any]], None], **values: Any) -> None:
        """`take` its rows; at the end of a block of `together`."""
        send(*self._told(values), lambda cursor: take(self._found(cursor)))

    def _told(self, values: dict[str, Any]) -> tuple[str, list]:
        sql, params, compiler, _ = self._built
        database = connections[DEFAULT_DB_ALIAS]
        if compiler.query.select_for_update and not database.in_atomic_block:
            raise transaction.TransactionManagementError("A lock needs a transaction")
        return sql, _told(params, values, database)

    def _found(self, cursor: Any) -> Iterable[Any]:
        _, _, compiler, converters = self._built
        rows = cursor.fetchall()
        return compiler.apply_converters(rows, converters) if converters else rows

    @cached_property
    def _built(self) -> tuple[str, tuple, Any, dict]:
        compiler = self.build().query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        columns = [column for column, *_ in compiler.select]
        return sql, params, compiler, compiler.get_converters(columns)


class Update:
    """`Update(lambda: Job.objects.filter(pk=key("id")), status="DONE")`."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]], **changes: Any) -> None:
        self.build, self.changes = build, changes

    def then(self, take: Callable[[int], None], **values: Any) -> None:
        """Do it, and `take` how many rows were there; at the end of a block of `together`."""
        sql, params = self._built
        told = _told(params, values, connections[DEFAULT_DB_ALIAS])
        send(sql, told, lambda cursor: take(cursor.rowcount))

    @cached_property
    def _built(self) -> tuple[str, tuple]:
        query: Any = self.build().query.chain(UpdateQuery)
        query.add_update_values(self.changes)
        return query.get_compiler(connection=connection).as_sql()


def insert(row: Model) -> None:
    """As `row.save(force_insert=True)`, but for signals, and fields that compute their value.

    Values must be of their fields' types: PostgreSQL is handed them as they are. In a block of
    `together` a key that the database makes is known at its end.
    """
    sql, fields, makes_key = _insertion(type(row))
    database = connections[DEFAULT_DB_ALIAS]
    values = [
        field.get_db_prep_save(getattr(row, name), database) if field else getattr(row, name)
        for name, field in fields
    ]

    def written(cursor: Any) -> None:
        if makes_key:
            (row.pk,) = cursor.fetchone()
        row._state.adding = False
        row._state.db = router.db_for_write(type(row))

    send(sql, values, written)


@cache
def _insertion(model: type[Model]) -> tuple[str, list[tuple[str, Field | None]], bool]:
    """The INSERT of one row; its columns' names, with the field of those whose values it must
    prepare; and whether the database makes the key."""
    own_key = model._meta.pk
    fields = [field for field in model._meta.local_concrete_fields if not field.db_returning]
    makes_key = own_key not in fields
    query = InsertQuery(model)
    query.insert_values(fields, [model()], raw=True)
    compiler = query.get_compiler(connection=connection)
    compiler.returning_fields = [own_key] if makes_key else None
    ((sql, _),) = compiler.as_sql()
    psycopg = connection.vendor == "postgresql"
    columns = [
        (field.attname, None if psycopg and isinstance(field, PLAIN) else field) for field in fields
    ]
    return sql, columns, makes_key


# ---- Several at once ----

JOINT = ";\n"
Statement = tuple[str, list, Callable[[Any], None]]
_waiting: ContextVar[list[Statement] | None] = ContextVar("waiting", default=None)


@contextmanager
def together() -> Iterator[None]:
    """Each `insert`, `then` and `send` of the block is done at its end, in order; to PostgreSQL
    they go by one round trip, which takes half the time of five. Only in a transaction.

    Everything else in the block, `rows` included, comes before them. What `take` does must not
    depend on whether those after it are done already.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if not database.in_atomic_block:
        raise transaction.TransactionManagementError("All or nothing needs a transaction")
    if _waiting.get() is not None:
        raise transaction.TransactionManagementError("A block of these is not put into another")
    statements: list[Statement] = []
    outside = _waiting.set(statements)
    try:
        yield
    finally:
        _waiting.reset(outside)
    features: Any = database.features
    if database.vendor == "postgresql" and not features.uses_server_side_binding:
        _send_at_once(statements)
    else:
        for statement in statements:
            send(*statement)


def send(sql: str, values: list, take: Callable[[Any], None]) -> None:
    """Do `sql` now, or at the end of a block of `together`, and let `take` see the cursor."""
    if (waiting := _waiting.get()) is not None:
        waiting.append((sql, values, take))
        return
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
        take(cursor)


def _send_at_once(statements: list[Statement]) -> None:
    """By libpq's simple protocol, which takes several statements and answers each.

    psycopg remembers where the values stand in a short statement (its `_queries.py`: up to 50 of
    them), so each gets its own before they are joined.
    """
    if not statements:
        return
    database = connections[DEFAULT_DB_ALIAS]
    with database.cursor() as cursor:
        mogrify = cast(Any, cursor).mogrify
        with database.wrap_database_errors:
            script = JOINT.join(mogrify(sql, values) for sql, values, _ in statements)
        cursor.execute(script)
        for _, _, take in statements:
            take(cursor)
            cursor.nextset()


def _told(params: Iterable[Any], values: dict[str, Any], database: Any) -> list:
    return [param.told(values, database) if isinstance(param, Param) else param for param in params]
