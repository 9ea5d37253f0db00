"""Accounts and checks, read-only, and two staff actions on users: grant and adjust."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html

from accounts import staff_actions
from accounts.admin import Fact, UserAdmin
from accounts.models import User
from tokens_ledger import account_totals, entry_admin, ledger
from tokens_ledger.models import Account, Entry, LedgerCheck
from videostudio.core import formatting
from videostudio.core.admin import ReadOnlyAdmin
from videostudio.core.admin_actions import ConfirmedAction
from videostudio.core.admin_forms import SingleUseForm

__all__ = ["entry_admin"]

SHOWN = 10  # entries on a user's page
NOTE_HELP_TEXT = "The customer can read it in their list of entries."


class AmountField(forms.IntegerField):
    """Accepts ASCII digits only. Django's field reads "10.000" as 10 and "1_0" as 10."""

    def to_python(self, value: Any) -> int | None:
        if value and not re.fullmatch(r"[+-]?[0-9]+", str(value).strip(), re.ASCII):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class GrantForm(SingleUseForm):
    reason_help_text = NOTE_HELP_TEXT
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


class AdjustForm(GrantForm):
    amount = AmountField(
        min_value=-ledger.MAX_AMOUNT,
        max_value=ledger.MAX_AMOUNT,
        help_text="Tokens to add, or to deduct with a minus sign. No balance falls below 0.",
        widget=forms.NumberInput(attrs={"autofocus": True}),
    )


def _append(write: Any, user: User, actor: User, answers: dict[str, Any]) -> str:
    amount = answers["amount"]
    try:
        entry = write(user=user, amount=amount, note=answers["reason"], actor=actor)
    except ledger.InsufficientTokens as short:
        sentence = f"The account has only {formatting.format_tokens(short.available)}."
        raise ValidationError({"amount": sentence}) from short
    except ValueError as error:
        raise ValidationError({"amount": f"{error}."}) from error
    balance = formatting.number(entry.balance_after)
    tokens = "token" if abs(amount) == 1 else "tokens"
    return f"{formatting.signed(amount)} {tokens}; the balance is {balance}."


def _balance(user: User) -> str:
    """The script of the form reads the number, and shows the balance afterwards."""
    balance = ledger.balance(user=user)
    shown = formatting.format_tokens(balance)
    return format_html('has <data class="balance" value="{}">{}</data>', balance, shown)


def _account_of(user: User) -> Account:
    return Account.objects.get(pk=user.pk)


ACTIONS = [
    ConfirmedAction(
        name=name,
        label=label,
        permission=f"tokens_ledger.{name}_tokens",
        form=form,
        reasons=("Paid by invoice", "Package", "Goodwill", "Correction"),
        execute=partial(_append, write),
        summary=_balance,
        log_message="{label}: {amount:+,}. {reason}",
        log_object=_account_of,
    )
    for name, label, form, write in (
        ("grant", "Grant tokens", GrantForm, ledger.grant),
        ("adjust", "Adjust balance", AdjustForm, ledger.adjust),
    )
]
UserAdmin.confirmed_actions += ACTIONS  # on the user's page, because a new user has no account yet


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ["user", "balance", "page"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email", "user__id"]
    ordering = ["user__username"]

    @admin.display(description="user's page")
    def page(self, account: Account) -> str:
        page = reverse("admin:accounts_user_change", args=[account.pk])
        return format_html('<a href="{}">Balance, entries, jobs</a>', page)


@admin.register(LedgerCheck)
class LedgerCheckAdmin(ReadOnlyAdmin):
    list_display = ["ran_at", "completed", "findings", "accounts", "entries", "tokens", "seconds"]
    ordering = ["-id"]


def panel(request: HttpRequest, user: User) -> str:
    """The newest entries, on the user's page."""
    if not request.user.has_perm("tokens_ledger.view_entry"):
        return ""
    entries = Entry.objects.filter(account=user.pk).select_related("actor").order_by("-id")
    context = {"customer": user, "entries": entries[:SHOWN], "shown": SHOWN}
    return render_to_string("admin/accounts/user/tokens.html", context, request)


def facts(request: HttpRequest, user: User) -> Iterator[Fact]:
    """The balance, and what was granted, charged and refunded in all."""
    if not request.user.has_perm("tokens_ledger.view_entry"):
        return
    yield Fact("Balance", formatting.number(ledger.balance(user=user)))
    entries = reverse("admin:tokens_ledger_entry_changelist")
    for kind, tokens in account_totals.by_kind(account=user.pk).items():
        url = f"{entries}?account={user.pk}&kind__exact={kind}"
        yield Fact(f"Total {Entry.Kind(kind).label.lower()}s", formatting.signed(tokens), url)


UserAdmin.panels.append(panel)
UserAdmin.facts.append(facts)


# ---- Grants without the admin, which have no row in Django's admin log ----


def _granted_elsewhere(user: User) -> QuerySet[Any]:
    """The user's rows, by the index `entry_granted_by_command`."""
    granted = Entry.objects.filter(kind__in=(Entry.Kind.GRANT, Entry.Kind.ADJUSTMENT), actor=None)
    rows = granted.filter(account__gte=user.pk, account__lte=user.pk).order_by("account_id", "-id")
    return rows.prefetch_related("account__user")


def _read(entries: list[Entry]) -> Iterator[staff_actions.Action]:
    for entry in entries:
        yield staff_actions.Action(
            at=entry.created_at,
            actor="Command line or sign-up",
            what=f"{entry.get_kind_display()}: {formatting.signed(entry.amount)}. {entry.note}",
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
