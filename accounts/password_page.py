"""The page of the link in the mail about a lost password. It works without JavaScript.

Opening it changes nothing: mail servers open links to check them.
"""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import passwords
from accounts.api.serializers import PASSWORD

TEMPLATE = "password_reset.html"


class NewPasswordForm(forms.Form):
    token = forms.CharField(max_length=200, widget=forms.HiddenInput)
    new_password = forms.CharField(
        label="New password",
        max_length=PASSWORD["max_length"],
        strip=False,
        help_text=PASSWORD["help_text"],
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    if not settings.EMAIL_URL:
        raise Http404
    is_post = request.method == "POST"
    form = NewPasswordForm(request.POST if is_post else None, initial=request.GET.dict())
    token = (request.POST if is_post else request.GET).get("token", "")
    try:
        if form.is_valid():
            passwords.reset(token=token, new=form.cleaned_data["new_password"])
            return render(request, TEMPLATE, {"done": True})
        passwords.user_of_link(token=token)
    except passwords.InvalidLink:
        return render(request, TEMPLATE, status=400)
    except ValidationError as error:
        form.add_error("new_password", error)
    return render(request, TEMPLATE, {"form": form}, status=400 if is_post else 200)
