"""The entries in the admin: a read-only list with the sums of what it shows."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from tokens_ledger import account_totals, sums
from tokens_ledger.models import Entry
from videostudio.core import formatting
from videostudio.core.admin import ReadOnlyAdmin, export
from videostudio.core.admin_filters import PeriodFilter

MOST = 50_000  # entries that are added up


class Written(PeriodFilter):
    title, parameter_name = "created", "written"
    between = ("written_from", "written_to")


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = (  # a phone shows the first three
        *("created_at", "signed", "label", "user", "balance", "what_for", "actor", "note"),
    )
    list_display_links = ("created_at",)
    list_filter = ("kind", Written)
    list_select_related = ("account__user", "actor")
    search_fields = ("account__user__username", "account__user__email", "reference")
    search_help_text = "User name, e-mail, or part of a job's id."
    extra_lookups = ("account",)
    sortable_by = ("created_at",)
    ordering = ("-id",)
    actions = ("export",)
    change_list_template = "admin/tokens_ledger/entry/list.html"
    fields = readonly_fields = (
        *("id", "created_at", "user", "label", "signed", "balance", "job", "actor"),
        *("api_key", "note"),
    )

    EXPORT = {
        "id": lambda entry: entry.pk,
        "createdAt": lambda entry: entry.created_at.isoformat(),
        "user": lambda entry: str(entry.account),
        "kind": lambda entry: entry.kind,
        "amount": lambda entry: entry.amount,
        "balanceAfter": lambda entry: entry.balance_after,
        "reference": lambda entry: entry.reference,
        "actor": lambda entry: str(entry.actor or ""),
        "note": lambda entry: entry.note,
    }

    # ---- Columns and fields ----

    @admin.display(description="user")
    def user(self, entry: Entry) -> str:
        page = reverse("admin:accounts_user_change", args=[entry.account_id])
        return format_html('<a href="{}"><bdi>{}</bdi></a>', page, entry.account)

    @admin.display(description="kind")
    def label(self, entry: Entry) -> str:
        return formatting.badge(entry.kind, entry.get_kind_display())

    @admin.display(description="amount")
    def signed(self, entry: Entry) -> str:
        return formatting.signed(entry.amount)

    @admin.display(description="balance after")
    def balance(self, entry: Entry) -> str:
        return formatting.number(entry.balance_after)

    @admin.display(description="job")
    def what_for(self, entry: Entry) -> str:
        """The first characters of the job's id, which the search accepts."""
        return _job_link(entry, entry.reference[:8])

    @admin.display(description="job")
    def job(self, entry: Entry) -> str:
        return _job_link(entry, entry.reference)

    # ---- Sums ----

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        answer = super().changelist_view(request, extra_context)
        context = getattr(answer, "context_data", None)
        if context and "cl" in context:
            context["sums"] = _sums(request, context["cl"])
        return answer

    # ---- Export ----

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tokens_ledger.export_entry")

    @admin.action(description="Export selected entries as CSV", permissions=["export"])
    def export(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponseBase:
        return export(request, queryset, self.EXPORT, self.users_in(request))


def _job_link(entry: Entry, shown: str) -> str:
    """The page of a charged or refunded job; only the text if the reference is no job's id."""
    try:
        page = reverse("admin:jobs_videojob_change", args=[entry.reference])
    except NoReverseMatch:
        return format_html('<span class="id">{}</span>', shown)
    return format_html('<a href="{}" class="id" title="{}">{}</a>', page, entry.reference, shown)


def _sums(request: HttpRequest, cl: Any) -> list[tuple[str, str]] | None:
    """The sum of each kind of the filtered entries, and of all; None if there are too many."""
    found = _by_kind(request, cl)
    if found is None:
        return None
    kinds = _kinds(cl.get_filters_params())
    shown = [(each.label, found[each]) for each in Entry.Kind if each.value in kinds]
    total = sum(tokens for _, tokens in shown)
    return [(name, formatting.signed(tokens)) for name, tokens in (*shown, ("Total", total))]


def _kinds(params: dict[str, list[str]]) -> set[str]:
    """The kinds that the filters let through."""
    kinds = set(Entry.Kind.values)
    for name, values in params.items():
        if name in ("kind", "kind__exact"):
            kinds.intersection_update(values)
        if name == "kind__in":
            kinds.intersection_update(",".join(values).split(","))
    return kinds


def _by_kind(request: HttpRequest, cl: Any) -> dict[str, int] | None:
    """Sums that the checks stored, or of at most MOST entries, which are read.

    With a period, its entries are counted before a search, which reads all of them.
    """
    params = cl.get_filters_params()
    account = request.GET.get("account") if len(params.get("account", ())) == 1 else None
    [written] = (spec for spec in cl.filter_specs if isinstance(spec, Written))
    if written.is_set:
        of_period = written.queryset(request, Entry.objects.order_by())
        if account:
            of_period = of_period.filter(account=account)
        return _added_up(cl.queryset, counted=of_period)
    if cl.query:
        return None
    rest = {*params} - {"kind__exact", *written.expected_parameters()}
    if not rest:
        return sums.stored_and_newer(most=MOST)
    if account and rest == {"account"}:
        return account_totals.by_kind(account=account)
    return _added_up(cl.queryset, counted=cl.queryset.order_by())


def _added_up(entries: QuerySet[Entry], *, counted: QuerySet[Entry]) -> dict[str, int] | None:
    if counted[: MOST + 1].count() > MOST:
        return None
    return account_totals.add_up(entries.order_by())
