"""Windows on tables in the admin: for looking, and cheap however long the table is."""

import csv
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.views.main import ChangeList
from django.contrib.contenttypes.models import ContentType
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.text import capfirst

from accounts.models import User

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class BoundedPaginator(Paginator):
    """Counts no further than MOST, so that no page costs a walk through the whole table.

    Where all rows fit the first page, one look is both the rows and their count.
    """

    MOST = 5_000

    @cached_property
    def first_rows(self) -> list[Any]:
        return list(self.object_list[: self.per_page + 1])

    @cached_property
    def count(self) -> int:
        if len(self.first_rows) <= self.per_page:
            return len(self.first_rows)
        return cast(QuerySet, self.object_list).order_by()[: self.MOST].count()

    @property
    def is_cut(self) -> bool:
        return self.count >= self.MOST

    def rows(self, number: int) -> list[Any]:
        """What a page shows. InvalidPage where there is none of this number."""
        number = self.validate_number(number)
        return self.first_rows[: self.per_page] if number == 1 else list(self.page(number))


class WindowList(ChangeList):
    """A list that takes its rows from the paginator, which may have them already."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = self.paginator.rows(self.page_num if self.multi_page else 1)


class ReadOnlyAdmin(admin.ModelAdmin):
    """A window: no adding, changing or deleting by hand, for superusers neither."""

    actions: Any = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    list_per_page = 50
    list_max_show_all = 0

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WindowList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, title | (extra_context or {}))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def export(
    request: HttpRequest, rows: QuerySet, columns: dict[str, Callable[[Any], object]]
) -> StreamingHttpResponse:
    """`rows` as a CSV file that streams; each column has a name and a function of the row.

    Who took what, as the list was narrowed, is in the log.
    """
    name = str(rows.model._meta.verbose_name_plural)
    query = request.META.get("QUERY_STRING", "")
    LogEntry.objects.create(
        user=cast(User, request.user),
        content_type=ContentType.objects.get_for_model(rows.model),
        object_repr=name,
        action_flag=CHANGE,
        change_message=f"Exported as CSV: {query or 'selected rows'}",
    )

    def lines() -> Iterator[str]:
        writer = csv.writer(Echo())
        yield writer.writerow(columns)
        for row in rows.iterator(chunk_size=1_000):
            yield writer.writerow(harmless(value(row)) for value in columns.values())

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name.replace(" ", "-")}.csv"',
            "X-Content-Type-Options": "nosniff",
        },
    )


class Echo:
    """A file that gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
