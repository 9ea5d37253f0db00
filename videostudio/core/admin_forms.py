"""What the doors of the admin have in common: each asks for a reason, and acts once a form."""

from typing import Any
from unicodedata import category
from uuid import uuid4

from django import forms
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

MAX_REASON_LENGTH = 500
FORM_KEPT_SECONDS = 24 * 3600


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2, "autofocus": True}),
        help_text="Kept in the log, for staff alone.",
    )

    def clean_reason(self) -> str:
        """Without signs that nobody sees: they are no reason, and some turn a line round."""
        given = self.cleaned_data["reason"].replace("\t", " ")
        reason = "".join(s for s in given if s == "\n" or category(s) not in ("Cc", "Cf")).strip()
        if not reason:
            raise ValidationError(self.fields["reason"].error_messages["required"])
        return reason


class SingleUseForm(ReasonForm):
    """A form that counts once, however often it is sent: two clicks must not be two grants."""

    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["once"].error_messages = {
            "required": "This form is incomplete. Please open it again.",
            "invalid": "This form is broken. Please open it again.",
        }

    def is_first(self) -> bool:
        """Whether no other process has acted on this very form; the cache's `add` decides."""
        return cache.add(f"form:{self.cleaned_data['once']}", 1, FORM_KEPT_SECONDS)


def safe_next_url(request: HttpRequest, default: str) -> str:
    """Where the member of staff came from, if that is a page of this site; else `default`."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure())
    return asked if ours and asked.startswith("/") else default
