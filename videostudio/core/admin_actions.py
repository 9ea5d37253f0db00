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

MAX_OBJECTS = 500  # per form; each object in its own transaction
CONFIRMED = "post"  # the field of Django's confirmation page for "delete_selected"


class ActionRefused(Exception):
    """Why an action skips an object: a sentence without its subject and full stop."""


class FormSentBefore(Exception):
    pass


def _accept_all(objects: list[Any]) -> list[str]:
    return [""] * len(objects)


@dataclass(frozen=True)
class ConfirmedAction:
    """An action of staff on an object, and its preview.

    `execute(object, actor, answers)` acts on one object and returns what was done. It raises
    ActionRefused, or ValidationError if an answer in the form is wrong.

    For the preview, `refusal_reasons` returns why each object would be skipped, "" if it would not.
    The check reads the given rows only. `summary` is a sentence about the object without its
    subject and full stop. `token_change` is the number of tokens that its owner would receive.
    `button` returns what the button of the form says, for the number of objects and the sum of
    their token changes; by default `label`. `reasons` are offered, beside any other text.
    `log_message` is formatted with `label`, `done` and the form's answers.
    """

    name: str
    label: str
    permission: str
    execute: Callable[[Any, Any, dict[str, Any]], str]
    intro: str = ""
    form: type[ReasonForm] = ReasonForm
    refusal_reasons: Callable[[list[Any]], list[str]] = _accept_all
    summary: Callable[[Any], str] = lambda obj: ""
    token_change: Callable[[Any], int] = lambda obj: 0
    button: Callable[[int, int], str] | None = None
    reasons: tuple[str, ...] = ()
    log_message: str = "{label}: {done} Reason: {reason}"
    log_object: Callable[[Any], Any] = lambda obj: obj

    def is_available(self, obj: Any, user: Any) -> bool:
        return user.has_perm(self.permission) and self.refusal_reasons([obj]) == [""]


class PreviewRow(NamedTuple):
    object: Any
    refusal: str
    summary: str
    token_change: int


class Result(NamedTuple):
    object: Any  # the primary key, if the object was deleted
    is_done: bool
    sentence: str


@dataclass(frozen=True)
class Selection:
    """The selected objects by primary key, None for a deleted one.

    `left_out` objects exceed MAX_OBJECTS. `page_of` is the object on whose page the action was
    chosen; None in a list.
    """

    objects: dict[Any, Any]
    left_out: int
    back: str
    page_of: Any = None


def _preview(action: ConfirmedAction, selection: Selection) -> list[PreviewRow]:
    objects = [obj for obj in selection.objects.values() if obj]
    return [
        PreviewRow(obj, reason, "", 0)
        if reason
        else PreviewRow(obj, "", action.summary(obj), action.token_change(obj))
        for obj, reason in zip(objects, action.refusal_reasons(objects), strict=True)
    ]


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
                f"{action.label} selected {self.objects_name}",
            )
            for action in self.confirmed_actions
            if request.user.has_perm(action.permission)
        }
        return ours | stock

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
        kept: dict[str, Any] = {
            "preserved_filters": self.get_preserved_filters(request),
            "opts": self.opts,
        }
        back = add_preserved_filters(kept, back)
        selection = Selection(objects={pk: obj}, left_out=0, back=back, page_of=obj)
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
            left_out=len(chosen[MAX_OBJECTS:]),
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
        rows = _preview(action, selection)
        possible = [row for row in rows if not row.refusal]
        change = sum(row.token_change for row in possible)
        context = self.admin_site.each_context(request) | {
            "title": action.label,
            "action": action,
            "object": selection.page_of,
            "form": form,
            "rows": rows,
            "possible": len(possible),
            "button": action.button(len(possible), change) if action.button else action.label,
            "deleted": len(selection.objects) - len(rows),
            "left_out": selection.left_out,
            "back": selection.back,
            "preserved_filters": self.get_preserved_filters(request),
            "objects_name": self.objects_name,
            "opts": self.opts,
            **self.get_preview_context(rows),
        }
        names = [f"admin/{self.opts.app_label}/{self.opts.model_name}/confirm_action.html",
                 "admin/confirm_action.html"]  # fmt: skip
        return TemplateResponse(request, names, context)

    def get_preview_context(self, rows: list[PreviewRow]) -> dict[str, Any]:
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
        self._report(request, action, results, selection.left_out)

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
        self, request: HttpRequest, action: ConfirmedAction, results: list[Result], left_out: int
    ) -> None:
        """The result or, of several objects, one line with the results to open."""
        if left_out:
            messages.warning(
                request,
                f"One form handles {MAX_OBJECTS} {self.objects_name}: {left_out} more were chosen. "
                "Nothing was done to them. Repeat the action for them.",
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
