"""The forms that staff fill in to confirm an action: each asks for a reason."""

from typing import Any
from unicodedata import category
from uuid import uuid4

from django import forms
from django.core.cache import cache
from django.core.exceptions import ValidationError

MAX_REASON_LENGTH = 500
FORM_KEPT_SECONDS = 24 * 3600


class ReasonForm(forms.Form):
    reason_help_text = "Kept in the log, for staff alone."
    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2, "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = self.reason_help_text

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

    def is_first(self, pk: Any) -> bool:
        """Whether no other process has acted on this object by this very form."""
        return cache.add(f"form:{self.cleaned_data['once']}:{pk}", 1, FORM_KEPT_SECONDS)

    def renew(self) -> None:
        """Make it another form, which counts once too, with the same answers."""
        self.data = dict(self.data.items()) | {"once": str(uuid4())}
