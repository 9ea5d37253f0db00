"""A read-only window on the ledger. Tokens move through `ledger.py`, for superusers too."""

from django.contrib import admin

from accounts.admin import ReadOnlyAdmin

from .models import Account, Entry


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ["user", "balance"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__id"]
    ordering = ["user__username"]


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = [
        "id",
        "created_at",
        "account",
        "kind",
        "amount",
        "balance_after",
        "reference",
        "actor",
        "note",
    ]
    list_filter = ["kind"]
    list_select_related = ["account__user", "actor"]
    search_fields = ["account__user__username", "reference"]
    ordering = ["-id"]
