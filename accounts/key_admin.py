"""API keys in the admin: a list, a panel on the user's page, and revocation by staff.

Staff see keys by their prefix. No page shows or searches the hash.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts import api_keys
from accounts.models import ApiKey, User
from accounts.staff_log import StaffLogMixin
from videostudio.core.admin import ReadOnlyAdmin
from videostudio.core.admin_actions import ActionRefused, ConfirmedAction, ConfirmedActionsMixin

PERMISSION = "accounts.revoke_apikey"
SHOWN = 20  # keys on a user's page
REVOKED = "has been revoked already"
NO_KEYS = "has no API keys that could be revoked"


def _revoke(key: ApiKey, actor: User, answers: dict[str, Any]) -> str:
    if not api_keys.revoke(keys=ApiKey.objects.filter(pk=key.pk), now=timezone.now()):
        raise ActionRefused(REVOKED)
    return "revoked."


def _revoke_all(user: User, actor: User, answers: dict[str, Any]) -> str:
    count = api_keys.revoke(keys=ApiKey.objects.filter(user=user), now=timezone.now())
    if not count:
        raise ActionRefused(NO_KEYS)
    return f"{count} API key{'' if count == 1 else 's'} revoked."


def _refusals_of_users(users: list[User], actor: User) -> list[str]:
    found = ApiKey.objects.filter(user__in=users, revoked_at=None)
    owners = set(found.values_list("user", flat=True))
    return ["" if user.pk in owners else NO_KEYS for user in users]


REVOKE = ConfirmedAction(
    name="revoke",
    label="Revoke",
    summary=lambda key: f"({key.name}, {key.user}) stops working at once and cannot be restored",
    reasons=("The key became known to others", "The customer asked for it"),
    permission=PERMISSION,
    execute=_revoke,
    refusal=lambda key: REVOKED if key.revoked_at else "",
)
REVOKE_ALL = ConfirmedAction(
    name="revoke_keys",
    label="Revoke all API keys",
    summary=lambda user: "cannot use any of their API keys any more. They can make new ones",
    reasons=("The key became known to others", "The customer asked for it"),
    permission=PERMISSION,
    execute=_revoke_all,
    refusal_reasons=_refusals_of_users,
)


@admin.register(ApiKey)
class ApiKeyAdmin(StaffLogMixin, ConfirmedActionsMixin, ReadOnlyAdmin):
    confirmed_actions = [REVOKE]
    objects_name = "API keys"
    actions = ()
    change_form_template = "admin/accounts/apikey/api_key.html"
    fields = (
        *("prefix", "user", "name", "scope", "daily_token_limit"),
        *("created_at", "last_used_at", "expires_at", "revoked_at"),
    )
    list_display = (
        *("prefix", "user", "name", "scope", "last_used_at"),
        *("created_at", "expires_at", "revoked_at"),
    )
    list_filter = ("scope",)
    list_select_related = ("user",)
    extra_lookups = ("user",)
    search_fields = ("prefix__startswith", "user__username", "user__email", "name")
    search_help_text = "Beginning of the key, user name, e-mail, name of the key."
    ordering = ("-created_at", "id")
    sortable_by = ("prefix", "created_at")  # the others have no index


def panel(request: HttpRequest, user: User) -> str:
    """The user's newest keys, revoked ones too, on the user's page."""
    if not request.user.has_perm("accounts.view_apikey"):
        return ""
    keys = ApiKey.objects.filter(user=user).order_by("-created_at", "id")[:SHOWN]
    context = {"customer": user, "keys": keys, "shown": SHOWN}
    return render_to_string("admin/accounts/user/keys.html", context, request)
