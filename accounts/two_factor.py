"""The second step of the staff's login: a code from their phone (TOTP)."""

from typing import Any

from django.db import transaction
from django_otp import devices_for_user
from django_otp.admin import OTPAdminAuthenticationForm
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User


class TwoFactorForm(OTPAdminAuthenticationForm):
    """Name, password and code in one form. Nobody has more than one device, so none is chosen."""

    otp_error_messages = OTPAdminAuthenticationForm.otp_error_messages | {
        "token_required": "Please enter the code that your phone shows.",
        "invalid_token": "That code is wrong, or was used before. Wait for the next one.",
        "device_required": "No phone is registered for you. Ask whoever runs the service.",
    }

    def _chosen_device(self, user: User) -> Any:
        return next(devices_for_user(user, for_verify=True), None)

    def _update_form(self, user: User) -> None:
        """Theirs would send the password back in the page, to be typed once only."""


def new_device(*, user: User) -> TOTPDevice:
    """A device in place of those that `user` had; its `config_url` is for the phone."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        return TOTPDevice.objects.create(user=user, name="phone", confirmed=True)
