"""Notes of staff about a user: an action that writes one, and the panel on the user's page."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from accounts import erasure
from accounts.models import User, UserNote
from videostudio.core.admin_actions import ActionRefused, ConfirmedAction
from videostudio.core.admin_forms import SingleUseForm

SHOWN = 20  # notes on a user's page
ERASED = "has deleted the account"


class NoteForm(SingleUseForm):
    reason_help_text = "Staff alone can read it. It is deleted with the user's account."
    reason = forms.CharField(
        label="Note",
        max_length=UserNote.LENGTH,
        widget=forms.Textarea(attrs={"rows": 4, "autofocus": True}),
    )


def _add(user: User, actor: User, answers: dict[str, Any]) -> str:
    # The lock makes it wait for a deletion of the account, which would miss the note.
    locked = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
    if locked is None or erasure.is_erased(locked):
        raise ActionRefused(ERASED)
    UserNote.objects.create(
        user=user, author=actor, text=answers["reason"], created_at=timezone.now()
    )
    return "the note was added."


ADD_NOTE = ConfirmedAction(
    name="note",
    label="Add a note",
    summary=lambda user: "gets a note on this page",
    permission="accounts.write_usernote",
    form=NoteForm,
    execute=_add,
    refusal=lambda user: ERASED if erasure.is_erased(user) else "",
    log_message="Added a note.",  # without its text, because the log outlives the account
)


def panel(request: HttpRequest, user: User) -> str:
    if not request.user.has_perm("accounts.view_usernote"):
        return ""
    notes = user.notes.select_related("author").order_by("-id")[:SHOWN]
    context = {"notes": notes, "shown": SHOWN}
    return render_to_string("admin/accounts/user/notes.html", context, request)
