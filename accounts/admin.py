"""The staff's view of users and of refresh tokens. No page shows or searches a token itself."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from rest_framework_simplejwt.token_blacklist import admin as stock
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User

# simplejwt's pages print the whole token: whoever may look could log in as anybody.
admin.site.unregister([stock.OutstandingToken, stock.BlacklistedToken])


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    list_display = ("username", "email", "id", "is_active", "is_staff", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username", "email", "id")
    ordering = ("-date_joined", "id")
    readonly_fields = ("id", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("id", "username", "password")}),
        *(DjangoUserAdmin.fieldsets or ())[1:],
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "email", "usable_password", "password1", "password2"),
            },
        ),
    )


class ReadOnlyAdmin(admin.ModelAdmin):
    """A window: no adding, changing or deleting by hand, for superusers neither."""

    actions: Any = None
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TokenAdmin(ReadOnlyAdmin):
    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """`?token__startswith=…` in the address would find a token out letter by letter."""
        return "token" not in lookup and super().lookup_allowed(lookup, value, request)


@admin.register(OutstandingToken)
class OutstandingTokenAdmin(TokenAdmin):
    fields = ("jti", "user", "created_at", "expires_at")
    list_display = ("jti", "user", "created_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("jti", "user__username", "user__email")
    ordering = ("-created_at", "id")


@admin.register(BlacklistedToken)
class BlacklistedTokenAdmin(TokenAdmin):
    fields = ("token", "blacklisted_at")
    list_display = ("token", "blacklisted_at")
    list_select_related = ("token__user",)
    search_fields = ("token__jti", "token__user__username", "token__user__email")
    ordering = ("-blacklisted_at", "id")
