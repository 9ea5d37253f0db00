"""Staff actions with a confirmation page, which shows what will happen and asks for a reason.

An action is offered in the list, for the selected objects, and on the page of each object.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join

from videostudio.core.admin_forms import ReasonForm, SingleUseForm
from videostudio.core.admin_preview import PreviewRow, preview

MAX_OBJECTS = 500  # per form; each object in its own transaction
CONFIRMED = "post"  # the field of Django's confirmation page for "delete_selected"


class ActionRefused(Exception):
    """Why an action skips an object: a sentence without its subject and full stop."""


class FormSentBefore(Exception):
    pass


@dataclass(frozen=True)
class ConfirmedAction:
    """An action of staff on an object, and its preview.

    `execute(object, actor, answers)` acts on one object and returns what was done. It raises
    ActionRefused, or ValidationError if an answer in the form is wrong.

    For the preview, `refusal` returns why an object would be skipped, "" if it would not, from its
    row alone; `refusal_reasons(objects, actor)` does so for many objects, if that needs a query or
    the actor. `summary` is a sentence about the object without its subject and full stop.
    `token_change` is the number of tokens that its owner would receive, and `tokens_left(actor)`
    how many all owners together may receive; None if there is no limit. `button` returns what the
    button of the form says, for the number of objects and the sum of their token changes; by
    default `label`. `in_list` is the action's name in the list, by default `label` and "selected"
    with the name of the objects. `reasons` are offered, beside any other text. `log_message` is
    formatted with `label`, `done` and the form's answers.
    """

    name: str
    label: str
    permission: str
    execute: Callable[[Any, Any, dict[str, Any]], str]
    intro: str = ""
    form: type[ReasonForm] = ReasonForm
    refusal: Callable[[Any], str] = lambda obj: ""
    refusal_reasons: Callable[[list[Any], Any], list[str]] | None = None
    summary: Callable[[Any], str] = lambda obj: ""
    token_change: Callable[[Any], int] = lambda obj: 0
    tokens_left: Callable[[Any], int | None] = lambda actor: None
    button: Callable[[int, int], str] | None = None
    in_list: str = ""
    reasons: tuple[str, ...] = ()
    log_message: str = "{label}: {done} Reason: {reason}"
    log_object: Callable[[Any], Any] = lambda obj: obj

    def refusals(self, objects: list[Any], actor: Any) -> list[str]:
        if self.refusal_reasons:
            return self.refusal_reasons(objects, actor)
        return [self.refusal(obj) for obj in objects]

    def is_available(self, obj: Any, user: Any) -> bool:
        return user.has_perm(self.permission) and self.refusals([obj], user) == [""]


class Result(NamedTuple):
    object: Any  # the primary key, if the object was deleted
    is_done: bool
    sentence: str


@dataclass(frozen=True)
class Selection:
    """The selected objects by primary key, None for a deleted one.

    `is_cut`: more than MAX_OBJECTS were selected. `page_of` is the object with the button; None in
    a list.
    """

    objects: dict[Any, Any]
    is_cut: bool
    back: str
    page_of: Any = None


def _with_details(summary: str, lines: list[str]) -> str:
    each = format_html_join("", "<li>{}</li>", ((line,) for line in lines))
    return format_html("<details><summary>{}</summary><ul>{}</ul></details>", summary, each)


class ConfirmedActionsMixin(admin.ModelAdmin):
    """With `actions = None` the list offers no actions, and only the buttons remain."""

    confirmed_actions: list[ConfirmedAction] = []
    objects_name = "objects"

    # ---- Where the actions are offered ----

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        stock = super().get_actions(request)
        if self.actions is None:
            return stock
        ours: dict[str, Any] = {
            action.name: (
                partial(ConfirmedActionsMixin.act_on_selected, action=action),
                action.name,
                action.in_list or f"{action.label} selected {self.objects_name}",
            )
            for action in self.confirmed_actions
            if request.user.has_perm(action.permission)
        }
        return ours | stock

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With `actions`, for the buttons."""
        if obj := context["original"]:
            context["actions"] = [
                each for each in self.confirmed_actions if each.is_available(obj, request.user)
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.act_on_object)
        of_object = [
            path(
                f"<uuid:pk>/{action.name}/",
                view,
                {"action": action},
                name=f"{self.opts.app_label}_{self.opts.model_name}_{action.name}",
            )
            for action in self.confirmed_actions
        ]
        return [*of_object, *super().get_urls()]

    def act_on_selected(
        self, request: HttpRequest, queryset: QuerySet, *, action: ConfirmedAction
    ) -> HttpResponse:
        """Handle the list's form, and the confirmation page's, which has the same fields."""
        selection = self._selection(request, queryset)
        return self._respond(request, action, selection, confirmed=CONFIRMED in request.POST)

    def act_on_object(self, request: HttpRequest, pk: Any, action: ConfirmedAction) -> HttpResponse:
        if not request.user.has_perm(action.permission):
            raise PermissionDenied
        obj = get_object_or_404(self.get_queryset(request), pk=pk)
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[pk])
        filters: dict[str, Any] = {"preserved_filters": self.get_preserved_filters(request)}
        back = add_preserved_filters(filters | {"opts": self.opts}, back)
        selection = Selection(objects={pk: obj}, is_cut=False, back=back, page_of=obj)
        return self._respond(request, action, selection, confirmed=request.method == "POST")

    def _selection(self, request: HttpRequest, queryset: QuerySet) -> Selection:
        """The ticked objects, even if they no longer match the filters; or all that match."""
        if request.POST.get("select_across") == "1":
            every = list(queryset[: MAX_OBJECTS + 1])
            found, chosen = every, [obj.pk for obj in every]
        else:
            ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
            chosen = list(dict.fromkeys(self.opts.pk.to_python(text) for text in ticked))
            found = list(self.get_queryset(request).filter(pk__in=chosen[:MAX_OBJECTS]))
        by_pk = {obj.pk: obj for obj in found}
        return Selection(
            objects={pk: by_pk.get(pk) for pk in chosen[:MAX_OBJECTS]},
            is_cut=len(chosen) > MAX_OBJECTS,
            back=request.get_full_path(),
        )

    # ---- Preview, execution, messages ----

    def _respond(
        self,
        request: HttpRequest,
        action: ConfirmedAction,
        selection: Selection,
        *,
        confirmed: bool,
    ) -> HttpResponse:
        form = action.form(request.POST if confirmed else None)
        if form.is_valid():
            self._execute_all(request, action, selection, form)
            if form.is_valid():
                return HttpResponseRedirect(selection.back)
        if form.is_bound and isinstance(form, SingleUseForm):
            form.renew()
        return self._confirmation_page(request, action, selection, form)

    def _confirmation_page(
        self, request: HttpRequest, action: ConfirmedAction, selection: Selection, form: ReasonForm
    ) -> TemplateResponse:
        rows = preview([obj for obj in selection.objects.values() if obj], action, request.user)
        possible = sum(not row.refusal for row in rows)
        change = sum(row.token_change for row in rows)
        context = self.admin_site.each_context(request) | {
            "title": action.label,
            "action": action,
            "object": selection.page_of,
            "form": form,
            "rows": rows,
            "possible": possible,
            "button": action.button(possible, change) if action.button else action.label,
            "deleted": len(selection.objects) - len(rows),
            "is_cut": selection.is_cut,
            "back": selection.back,
            "preserved_filters": self.get_preserved_filters(request),
            "objects_name": self.objects_name,
            "opts": self.opts,
            **self.get_preview_context(action, request.user, rows),
        }
        names = [f"admin/{self.opts.app_label}/{self.opts.model_name}/confirm_action.html",
                 "admin/confirm_action.html"]  # fmt: skip
        return TemplateResponse(request, names, context)

    def get_preview_context(
        self, action: ConfirmedAction, actor: Any, rows: list[PreviewRow]
    ) -> dict[str, Any]:
        """Additional context for the preview, such as `balances`."""
        return {}

    def _execute_all(
        self, request: HttpRequest, action: ConfirmedAction, selection: Selection, form: ReasonForm
    ) -> None:
        results = []
        try:
            for pk, obj in selection.objects.items():
                results.append(self._execute(request, action, pk, obj, form))
        except FormSentBefore:
            messages.warning(request, "This form was already sent: nothing was done a second time.")
        except ValidationError as error:
            form.add_error(None, error)
        self._report(request, action, results, selection.is_cut)

    def _execute(
        self, request: HttpRequest, action: ConfirmedAction, pk: Any, obj: Any, form: ReasonForm
    ) -> Result:
        if obj is None:
            return Result(pk, False, "was deleted meanwhile.")
        answers = form.cleaned_data
        try:
            with transaction.atomic():
                if isinstance(form, SingleUseForm) and not form.is_first(pk):
                    raise FormSentBefore
                done = action.execute(obj, request.user, answers)
                message = action.log_message.format(label=action.label, done=done, **answers)
                self.log_change(request, action.log_object(obj), message)
        except ActionRefused as refusal:
            return Result(obj, False, f"{refusal}.")
        return Result(obj, True, done)

    def _report(
        self, request: HttpRequest, action: ConfirmedAction, results: list[Result], is_cut: bool
    ) -> None:
        """The result; for several objects, one line that opens to the results."""
        if is_cut:
            messages.warning(
                request,
                f"You selected more {self.objects_name} than one form handles. Nothing was done to "
                "the others: narrow the list by a filter, and repeat the action.",
            )
        if not results:
            return
        done = sum(result.is_done for result in results)
        level = messages.SUCCESS if done == len(results) else messages.WARNING
        lines = [self.result_message(result) for result in results]
        if len(results) > 1:
            skipped = len(results) - done
            summary = f"{action.label}: {done} done, {skipped} skipped."
            lines = [_with_details(summary, lines)]
        messages.add_message(request, level, lines[0])

    def result_message(self, result: Result) -> str:
        return f"{result.object}: {result.sentence}"
