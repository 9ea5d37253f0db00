"""A read-only window on the ledger, and two doors: grant and adjust, which `ledger` makes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.text import Truncator

from accounts import staff_actions
from accounts.admin import UserAdmin
from accounts.models import User
from accounts.staff_log import StaffLogMixin
from tokens_ledger import ledger
from tokens_ledger.models import Account, Entry, LedgerCheck
from videostudio.core.admin import ReadOnlyAdmin, export
from videostudio.core.admin_forms import SingleUseForm

SHOWN = 10  # entries on a user's page


class AmountField(forms.IntegerField):
    """Django's takes "10.000" for 10, "1_0" for 10, and the digits of any script."""

    def to_python(self, value: Any) -> int | None:
        if value and not re.fullmatch(r"[+-]?[0-9]+", str(value).strip(), re.ASCII):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class GrantForm(SingleUseForm):
    amount = AmountField(
        min_value=1,
        max_value=ledger.MAX_AMOUNT,
        help_text="Tokens to add.",
        widget=forms.NumberInput(attrs={"autofocus": True}),
    )
    field_order = ("amount", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].widget.attrs.pop("autofocus", None)
        self.fields["reason"].help_text = "The customer reads it among their tokens' entries."


class AdjustForm(GrantForm):
    amount = AmountField(
        min_value=-ledger.MAX_AMOUNT,
        max_value=ledger.MAX_AMOUNT,
        help_text="Tokens to add; below 0 to take them. No balance falls below 0.",
        widget=forms.NumberInput(attrs={"autofocus": True}),
    )


@dataclass(frozen=True)
class Door:
    name: str
    button: str
    form: type[GrantForm]
    act: Callable[..., Entry]

    @property
    def permission(self) -> str:
        return f"tokens_ledger.{self.name}_tokens"


DOORS = {
    door.name: door
    for door in (
        Door(name="grant", button="Grant tokens", form=GrantForm, act=ledger.grant),
        Door(name="adjust", button="Adjust balance", form=AdjustForm, act=ledger.adjust),
    )
}


@admin.register(Account)
class AccountAdmin(StaffLogMixin, ReadOnlyAdmin):
    """One user's tokens. Its doors are named after the user, who may have no account yet."""

    list_display = ["user", "balance", "page"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email", "user__id"]
    ordering = ["user__username"]

    @admin.display(description="user's page")
    def page(self, account: Account) -> str:
        page = reverse("admin:accounts_user_change", args=[account.pk])
        return format_html('<a href="{}">Balance, entries, jobs</a>', page)

    def get_urls(self) -> list[URLPattern]:
        doors = [
            path(
                f"<uuid:pk>/{door.name}/",
                self.admin_site.admin_view(self.door_view),
                {"name": door.name},
                name=f"tokens_ledger_{door.name}",
            )
            for door in DOORS.values()
        ]
        return [*doors, *super().get_urls()]

    def door_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        door = DOORS[name]
        if not request.user.has_perm(door.permission):
            raise PermissionDenied
        user = User.objects.filter(pk=pk).first()
        if user is None:
            raise Http404
        page = reverse("admin:accounts_user_change", args=[pk])
        form = door.form(request.POST or None)
        if form.is_valid() and self._is_done(request, door, user, form):
            return HttpResponseRedirect(page)
        if form.is_bound:  # the answer is a new form, with what was typed in the old one
            form.data = request.POST.dict() | {"once": str(form.fields["once"].initial())}
        context = self.admin_site.each_context(request) | {
            "title": door.button,
            "door": door,
            "customer": user,
            "balance": ledger.balance(user=user),
            "form": form,
            "back": page,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/tokens_ledger/account/door.html", context)

    def _is_done(self, request: HttpRequest, door: Door, user: User, form: GrantForm) -> bool:
        amount, reason = form.cleaned_data["amount"], form.cleaned_data["reason"]
        try:
            with transaction.atomic():
                if not form.is_first():
                    messages.warning(request, "This form was sent before: nothing was done again.")
                    return True
                actor = cast(User, request.user)
                entry = door.act(user=user, amount=amount, note=reason, actor=actor)
                self.log_change(request, entry.account, f"{door.button}: {amount:+,}. {reason}")
        except ledger.InsufficientTokens as short:
            form.add_error("amount", f"The account holds {short.available:,} tokens, no more.")
        except ValueError as error:
            form.add_error("amount", f"{error}.")
        else:
            messages.success(
                request, f"{user}: {amount:+,} tokens; the balance is {entry.balance_after:,}."
            )
            return True
        return False


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "created_at",
        "account",
        "kind",
        "amount",
        "balance_after",
        "what_for",
        "actor",
        "note",
    ]
    list_filter = ["kind", "created_at"]
    list_select_related = ["account__user", "actor"]
    search_fields = ["account__user__username", "account__user__email", "reference"]
    extra_lookups = ("account",)
    sortable_by = ("id",)
    ordering = ["-id"]
    actions = ()

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

    @admin.display(description="reference")
    def what_for(self, entry: Entry) -> str:
        """The beginning of a job's id, by which the search finds it: a whole one fills a row."""
        shown = Truncator(entry.reference).chars(9)
        return format_html('<span class="id" title="{}">{}</span>', entry.reference, shown)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        if request.user.has_perm("tokens_ledger.export_entry"):
            return {"export": (EntryAdmin.export, "export", "Export selected entries as CSV")}
        return {}

    def export(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponseBase:
        return export(request, queryset.select_related("account__user", "actor"), self.EXPORT)


@admin.register(LedgerCheck)
class LedgerCheckAdmin(ReadOnlyAdmin):
    list_display = [
        "ran_at",
        "completed",
        "findings",
        "accounts",
        "entries",
        "tokens",
        "seconds",
    ]
    ordering = ["-id"]


def panel(request: HttpRequest, user: User) -> str:
    """A user's tokens, on the user's page."""
    if not request.user.has_perm("tokens_ledger.view_entry"):
        return ""
    entries = Entry.objects.filter(account=user.pk).select_related("actor").order_by("-id")
    context = {
        "customer": user,
        "balance": ledger.balance(user=user),
        "entries": entries[:SHOWN],
        "shown": SHOWN,
        "doors": [door for door in DOORS.values() if request.user.has_perm(door.permission)],
    }
    return render_to_string("admin/accounts/user/tokens.html", context, request)


UserAdmin.panels.append(panel)


# ---- What was granted without the admin, and so without a row of its log ----


def _granted_elsewhere(user: User) -> QuerySet[Any]:
    """By the index `entry_granted_by_command`, as Django's log in `accounts.staff_actions`."""
    granted = Entry.objects.filter(kind__in=(Entry.Kind.GRANT, Entry.Kind.ADJUSTMENT), actor=None)
    rows = granted.filter(account__gte=user.pk, account__lte=user.pk).order_by("account_id", "-id")
    return rows.prefetch_related("account__user")


def _read(entries: list[Entry]) -> Iterator[staff_actions.Action]:
    for entry in entries:
        yield staff_actions.Action(
            at=entry.created_at,
            actor="Command line or sign-up",
            what=f"{entry.get_kind_display()}: {entry.amount:+,}. {entry.note}",
            target=f"Account {entry.account}",
            url=reverse("admin:tokens_ledger_account_change", args=[entry.account_id]),
        )


staff_actions.sources.append(
    staff_actions.Source(
        permission="tokens_ledger.view_entry",
        rows=_granted_elsewhere,
        at=lambda entry: entry.created_at,
        read=_read,
    )
)
