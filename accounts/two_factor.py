"""The second factor of the staff login: a code from the user's phone (TOTP)."""

import logging
from typing import Any

from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.db import transaction
from django_otp import devices_for_user
from django_otp.admin import OTPAdminAuthenticationForm
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User

logger = logging.getLogger(__name__)


class TwoFactorForm(OTPAdminAuthenticationForm):
    """Name, password and code in one form. A user has at most one device, so none is selected."""

    otp_error_messages = OTPAdminAuthenticationForm.otp_error_messages | {
        "token_required": "Please enter the code that your phone shows.",
        "invalid_token": "That code is wrong, or was used before. Wait for the next one.",
        "device_required": "No phone is registered for you. Ask the operator of the service.",
    }

    def clean_otp(self, user: User | None) -> None:
        """A wrong code is a failed login: it is logged, and counts for the lock-out."""
        try:
            super().clean_otp(user)
        except ValidationError as error:
            if user is not None and error.code == "invalid_token":
                logger.warning("wrong code at the second login step", extra={"user": str(user.pk)})
                user_login_failed.send(
                    sender=type(self),
                    credentials={"username": user.get_username()},
                    request=self.request,
                )
            raise

    def _chosen_device(self, user: User) -> Any:
        return next(devices_for_user(user, for_verify=True), None)

    def _update_form(self, user: User) -> None:
        """Override: the base class would send the password back in the page."""


def new_device(*, user: User) -> TOTPDevice:
    """Replace all devices of `user` by a new one; its `config_url` is for the phone."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        return TOTPDevice.objects.create(user=user, name="phone", confirmed=True)
