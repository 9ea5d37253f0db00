"""The admin of users and of refresh tokens. No page shows or searches the tokens themselves."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.db.models import PROTECT, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.text import capfirst
from rest_framework_simplejwt.token_blacklist import admin as stock
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import deactivation, key_admin, note_admin, user_search
from accounts.models import User
from accounts.staff_actions import MOST, StaffActions
from accounts.staff_log import StaffLogMixin
from videostudio.core.admin import CappedModelAdmin, ReadOnlyAdmin
from videostudio.core.admin_actions import ActionRefused, ConfirmedAction, ConfirmedActionsMixin
from videostudio.core.admin_filters import PeriodFilter

# simplejwt's pages print whole tokens: everybody with access to the page could log in as any user.
admin.site.unregister([stock.OutstandingToken, stock.BlacklistedToken, Group])

MAY_SEE_ACTIONS = "admin.view_logentry"
ACTIONS_SHOWN, ACTIONS_PER_PAGE = 10, 100


def _set_active(user: User, actor: User, active: bool) -> str:
    try:
        deactivation.set_active(user=user, actor=actor, active=active)
    except deactivation.NotAllowed as refusal:
        raise ActionRefused(str(refusal)) from refusal
    return "reactivated." if active else "deactivated."


def _refusals(users: list[User], actor: User, *, active: bool) -> list[str]:
    already = f"is {'active' if active else 'inactive'} already"
    return [
        already if user.is_active == active else deactivation.refusal(user=user, actor=actor)
        for user in users
    ]


ACTIONS = [
    ConfirmedAction(
        name="deactivate",
        label="Deactivate",
        reasons=("Abuse", "Unpaid", "The password became known", "The customer asked for it"),
        summary=lambda user: (
            "loses access to the site and the API at once. "
            "Running jobs continue, and nothing is deleted"
        ),
        permission="accounts.deactivate_user",
        execute=lambda user, actor, answers: _set_active(user, actor, active=False),
        refusal_reasons=partial(_refusals, active=False),
        log_message="Deactivated: {reason}",
    ),
    ConfirmedAction(
        name="reactivate",
        label="Reactivate",
        reasons=("The matter is settled", "Deactivated by mistake"),
        summary=lambda user: "can log in and use the API again",
        permission="accounts.deactivate_user",
        execute=lambda user, actor, answers: _set_active(user, actor, active=True),
        refusal_reasons=partial(_refusals, active=True),
        log_message="Reactivated: {reason}",
    ),
    key_admin.REVOKE_ALL,
    note_admin.ADD_NOTE,
]


class Fact(NamedTuple):
    """A figure at the top of a user's page, with a link to what it counts."""

    label: str
    value: str
    url: str = ""


@admin.register(User)
class UserAdmin(StaffLogMixin, ConfirmedActionsMixin, CappedModelAdmin, DjangoUserAdmin):
    """A user's page shows the customer; only superusers can edit the account, in a form below.

    Other apps add to the page: to `panels`, functions of the request and the user that return HTML,
    to `facts`, functions that return Facts, and to `confirmed_actions`, staff actions. A user is
    deactivated by the action only, which asks for a reason.
    """

    actions = None  # no bulk deletion: the user's own page shows what would be deleted too
    confirmed_actions = [*ACTIONS]
    panels: list[Callable[[HttpRequest, User], str]] = []
    facts: list[Callable[[HttpRequest, User], Iterator[Fact]]] = []

    change_form_template = "admin/accounts/user/user.html"
    list_display = ("username", "email", "short_id", "is_active", "is_staff", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username", "email", "id")
    search_help_text = "User name, e-mail, beginning of an id."
    ordering = ("-date_joined", "id")
    sortable_by = ("username", "date_joined")  # the others have no index
    fieldsets = (
        (None, {"fields": ("username", "email", "first_name", "last_name")}),
        ("Roles", {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
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

    @admin.display(description="id")
    def short_id(self, user: User) -> str:
        """The first characters, which the search accepts."""
        return format_html('<span class="id" title="{}">{}</span>', user.pk, str(user.pk)[:8])

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        for word in search_term.split()[: user_search.MOST_WORDS]:
            queryset = queryset.filter(user_search.matching(word))
        return queryset, False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not for a user with jobs or entries, which the database keeps."""
        return super().has_delete_permission(request, obj) and not (obj and _is_needed(obj))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if user := context["original"]:
            panels = [note_admin.panel, *self.panels, _staff_actions_panel, key_admin.panel]
            context |= {
                "panels": [panel(request, user) for panel in panels],
                "facts": [fact for facts in self.facts for fact in facts(request, user)],
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What staff did to the user, the account and the jobs; Django shows the user only."""
        user = self.get_object(request, unquote(object_id))
        if user is None or not self.has_view_permission(request, user):
            return super().history_view(request, object_id, extra_context)
        may_see = request.user.has_perm(MAY_SEE_ACTIONS)
        actions: Any = StaffActions(user=user, viewer=request.user) if may_see else []
        paginator = Paginator(actions, ACTIONS_PER_PAGE)
        page = paginator.get_page(request.GET.get(PAGE_VAR, 1))
        context = self.admin_site.each_context(request) | {
            "title": f"Change history: {user}",
            "may_see": may_see,
            "action_list": page,
            "page_range": paginator.get_elided_page_range(page.number),
            "page_var": PAGE_VAR,
            "pagination_required": paginator.num_pages > 1,
            "is_cut": paginator.count >= MOST,
            "module_name": capfirst(self.opts.verbose_name_plural),
            "object": user,
            "opts": self.opts,
        }
        context |= extra_context or {}
        return TemplateResponse(request, "admin/accounts/user/history.html", context)


def _is_needed(user: User) -> bool:
    """Whether the database refuses to delete the user's row."""
    relations: list[Any] = user._meta.get_fields(include_hidden=True)
    return any(
        each.related_model._base_manager.filter(**{each.field.name: user}).exists()
        for each in relations
        if getattr(each, "on_delete", None) is PROTECT
    )


def _staff_actions_panel(request: HttpRequest, user: User) -> str:
    """The newest staff actions, on the user's page."""
    if not request.user.has_perm(MAY_SEE_ACTIONS):
        return ""
    actions = StaffActions(user=user, viewer=request.user)[:ACTIONS_SHOWN]
    context = {"customer": user, "actions": actions}
    return render_to_string("admin/accounts/user/staff_actions.html", context, request)


@admin.register(Group)
class GroupAdmin(CappedModelAdmin, DjangoGroupAdmin):
    """The roles. Migrations create three of them; superusers may add more."""


@admin.register(OutstandingToken)
class OutstandingTokenAdmin(ReadOnlyAdmin):
    fields = ("jti", "user", "created_at", "expires_at")
    list_display = ("jti", "user", "created_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("jti", "user__username", "user__email")
    ordering = ("-id",)
    sortable_by = ()


@admin.register(BlacklistedToken)
class BlacklistedTokenAdmin(ReadOnlyAdmin):
    fields = ("token", "blacklisted_at")
    list_display = ("token", "blacklisted_at")
    list_select_related = ("token__user",)
    search_fields = ("token__jti", "token__user__username", "token__user__email")
    ordering = ("-id",)
    sortable_by = ()


class Logged(PeriodFilter):
    title = "time"
    parameter_name = "logged"
    between = ("logged_from", "logged_to")
    field = "action_time"


class LoggedBy(admin.SimpleListFilter):
    """Who did it, of those who are staff now. The search finds the others by their names."""

    title = "member of staff"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        staff = User.objects.filter(is_staff=True).order_by("username")
        return [(str(user.pk), user.get_username()) for user in staff]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() in dict(self.lookup_choices):
            return queryset.filter(user=self.value())
        return queryset


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """What staff did. Each action on a job is in the job's own timeline as well."""

    fields = ("action_time", "user", "what", "on")
    list_display = ("action_time", "user", "what", "on")
    list_filter = (Logged, LoggedBy)
    list_select_related = ("user", "content_type")
    search_fields = ("user__username", "object_id", "object_repr", "change_message")
    search_help_text = "Member of staff, id or name of what was changed, words of the reason."
    ordering = ("-action_time", "-id")
    sortable_by = ()

    @admin.display(description="what, and why")
    def what(self, entry: LogEntry) -> str:
        return entry.get_change_message() or entry.get_action_flag_display()

    @admin.display(description="on")
    def on(self, entry: LogEntry) -> str:
        kind = entry.content_type if entry.object_id else None  # an export has no object
        name = format_html(
            "{} <bdi>{}</bdi>", capfirst(kind.name) if kind else "", entry.object_repr
        )
        url = None if entry.is_deletion() else entry.get_admin_url()
        return format_html('<a href="{}">{}</a>', url, name) if url else name


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ReadOnlyAdmin):
    """Recent failed logins. `manage.py axes_reset_username` unlocks a user."""

    fields = ("username", "ip_address", "user_agent", "attempt_time", "failures_since_start")
    list_display = ("attempt_time", "username", "ip_address", "failures_since_start")
    search_fields = ("username", "ip_address")
