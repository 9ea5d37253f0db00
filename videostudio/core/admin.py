"""Base classes for read-only lists in the admin that stay fast with many rows."""

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast
from unicodedata import category
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR, ChangeList
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import capfirst

from videostudio.core import active_filters

MAX_NAMED = 3  # users in the name of an exported file
FORMULA = "=+-@\t\r\n＝＋－＠"
LOOKUPS = ("", "exact", "in", "gte", "lt", "isnull")
INVALID_LOOKUPS = (
    DisallowedModelAdminLookup,
    ValidationError,
    ValueError,
    OverflowError,
    DataError,
)


class CappedPaginator(Paginator):
    """Counts at most MAX_COUNT rows, so that no page scans a large table.

    If all rows fit on the first page, one query gets both the rows and their number.
    """

    MAX_COUNT = 5_000

    @cached_property
    def first_rows(self) -> list[Any]:
        return list(self.object_list[: self.per_page + 1])

    @cached_property
    def count(self) -> int:
        if len(self.first_rows) <= self.per_page:
            return len(self.first_rows)
        return cast(QuerySet, self.object_list).order_by()[: self.MAX_COUNT].count()

    @property
    def is_cut(self) -> bool:
        return self.count >= self.MAX_COUNT

    def rows(self, number: int) -> list[Any]:
        """The rows of a page. Raises InvalidPage if there is no such page."""
        number = self.validate_number(number)
        return self.first_rows[: self.per_page] if number == 1 else list(self.page(number))


class CappedChangeList(ChangeList):
    """A list whose paginator caches the rows of the first page."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet:
        with _redirecting_invalid_lookups():
            return super().get_queryset(request, exclude_parameters)

    def get_ordering_field(self, field_name: Any) -> Any:
        """None for columns that are not in `sortable_by`: the URL must not sort by them either."""
        can = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if can else None

    def get_results(self, request: HttpRequest) -> None:
        with _redirecting_invalid_lookups():
            super().get_results(request)
            self.result_list = self.paginator.rows(self.page_num if self.multi_page else 1)


@contextmanager
def _redirecting_invalid_lookups() -> Iterator[None]:
    """For invalid values, such as the year 0 or a NUL, Django redirects to the unfiltered list."""
    try:
        yield
    except INVALID_LOOKUPS as error:
        raise IncorrectLookupParameters(error) from error


class CappedModelAdmin(admin.ModelAdmin):
    """A list that stays fast, and that only its own filters and links can narrow."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    list_per_page = 50
    list_max_show_all = 0
    extra_lookups: tuple[str, ...] = ()  # fields with a user's id, which links filter by

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CappedChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """A search with one result leads to that result, unless the URL names a page of the list.

        On the result's page, the link back to the list names one.
        """
        of = ", ".join(self.users_in(request))
        name = capfirst(self.opts.verbose_name_plural)
        title = {"title": f"{name} of {of}" if of else name}
        response = super().changelist_view(request, title | (extra_context or {}))
        if request.method != "GET" or PAGE_VAR in request.GET:
            return response
        found = getattr(response, "context_data", {}).get("cl")
        if found and found.query and found.result_count == 1 and not found.is_popup:
            back = urlencode({"_changelist_filters": f"{request.GET.urlencode()}&{PAGE_VAR}=1"})
            return redirect(f"{found.url_for_result(found.result_list[0])}?{back}")
        return response

    def users_in(self, request: HttpRequest) -> list[str]:
        """The names of the users that the URL filters by."""
        return active_filters.users(dict(request.GET.lists()), self.extra_lookups)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow its own filters and links only: `?token__startswith=…` could reveal a token."""
        field, _, how = lookup.partition("__")
        return how in LOOKUPS and field in self._fields_to_filter_by(request)

    def _fields_to_filter_by(self, request: HttpRequest) -> Iterator[str]:
        yield from self.extra_lookups
        each: Any
        for each in self.get_list_filter(request):
            field: Any = each[0] if isinstance(each, tuple) else each
            yield getattr(field, "parameter_name", field)
            yield from getattr(each, "between", ())

    def response_action(self, request: HttpRequest, queryset: QuerySet, *more: Any) -> Any:
        try:
            for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.clean(chosen, None)
        except ValidationError:
            messages.error(request, "The selection is invalid: nothing was done. Select again.")
            return None
        return super().response_action(request, queryset, *more)


class ReadOnlyAdmin(CappedModelAdmin):
    """No adding, changing or deleting, for superusers either."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def export(
    request: HttpRequest,
    rows: QuerySet,
    columns: dict[str, Callable[[Any], object]],
    users: list[str],
) -> StreamingHttpResponse:
    """Stream `rows` as a CSV file; `columns` maps names to functions of the row.
    The file's name contains the names of `users`.

    The admin log records the person, the number of rows and the filters. It does not record the
    words of a search, because a name among them would outlive the deletion of the account.
    """
    name = str(rows.model._meta.verbose_name_plural)
    filters = request.GET.copy()
    if SEARCH_VAR in filters:
        filters[SEARCH_VAR] = "words"
    query = filters.urlencode()
    whole = "all " if request.POST.get("select_across") == "1" else ""
    count = rows.count()
    how_many = f"{whole}{count:,} row{'' if count == 1 else 's'}{f' of ?{query}' if query else ''}"
    LogEntry.objects.create(
        user=cast(Any, request.user),
        content_type=ContentType.objects.get_for_model(rows.model),
        object_repr=name,
        action_flag=CHANGE,
        change_message=f"Exported as CSV: {how_many}",
    )

    def lines() -> Iterator[str]:
        writer = csv.writer(Echo())
        yield writer.writerow(columns)
        for row in rows.iterator(chunk_size=1_000):
            yield writer.writerow(escape_formula(value(row)) for value in columns.values())

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": content_disposition_header(
                as_attachment=True, filename=_file_name(request, name, users)
            )
            or "",
        },
    )


def _file_name(request: HttpRequest, name: str, users: list[str]) -> str:
    """With the users' names and the days of the filter by period; without one, today."""
    days = [
        f"{word}-{found[0]}"
        for word in ("from", "to")
        for key, value in sorted(request.GET.dict().items())
        if key.endswith(f"_{word}")
        and (found := re.match(r"\d{4}-\d{2}-\d{2}", str(value), re.ASCII))
    ]
    parts = [name, *users[:MAX_NAMED], *(days or [f"{timezone.now():%Y-%m-%d}"])]
    return "-".join(re.sub(r"[^\w.@+]+", "-", part) for part in parts) + ".csv"


class Echo:
    """A file whose `write` returns the line, for csv.writer."""

    def write(self, line: str) -> str:
        return line


def escape_formula(value: object) -> object:
    """Prefix text that a spreadsheet would read as a formula; numbers are unchanged."""
    if isinstance(value, str):
        seen = (sign for sign in value if sign in FORMULA or category(sign)[0] not in "CZ")
        return f"'{value}" if next(seen, "x") in FORMULA else value
    return "" if value is None else value
