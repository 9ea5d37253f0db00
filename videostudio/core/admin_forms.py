"""The forms for staff actions: each asks for a reason."""

from typing import Any
from unicodedata import category
from uuid import uuid4

from django import forms
from django.core.cache import cache
from django.core.exceptions import ValidationError

MAX_REASON_LENGTH = 500
FORM_LIFETIME_SECONDS = 24 * 3600
JOINERS = "\u200c\u200d"  # within Persian words and emoji


class ReasonForm(forms.Form):
    reason_help_text = "Recorded in the log, for staff only."
    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=forms.TextInput(attrs={"list": "usual-reasons", "autofocus": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = self.reason_help_text

    def clean_reason(self) -> str:
        """Remove invisible characters: they make an empty reason, and some reverse the text."""
        given = self.cleaned_data["reason"].replace("\t", " ")
        visible = (s for s in given if s in "\n" + JOINERS or category(s) not in ("Cc", "Cf"))
        reason = "".join(visible).strip().strip(JOINERS).strip()
        if not reason:
            raise ValidationError(self.fields["reason"].error_messages["required"])
        return reason


class SingleUseForm(ReasonForm):
    """A form that works once, however often it is sent: two clicks must not make two grants."""

    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["once"].error_messages = {
            "required": "This form is incomplete. Please reload the page.",
            "invalid": "This form is invalid. Please reload the page.",
        }

    def is_first(self, pk: Any) -> bool:
        """Whether this form has not been used for this object before, in any process."""
        return cache.add(f"form:{self.cleaned_data['once']}:{pk}", 1, FORM_LIFETIME_SECONDS)

    def renew(self) -> None:
        """Give the form a new id, so that it works once more, and keep the answers."""
        self.data = dict(self.data.items()) | {"once": str(uuid4())}
