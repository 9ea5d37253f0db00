"""Serializers of the calls for passwords."""

from accounts.api.serializers import PASSWORD, AddressField, StringField
from videostudio.core.api.strict import StrictSerializer

CURRENT = PASSWORD | {"help_text": "Your password."}


class ChangePasswordSerializer(StrictSerializer):
    currentPassword = StringField(**CURRENT)
    newPassword = StringField(**PASSWORD)


class RequestResetSerializer(StrictSerializer):
    email = AddressField(max_length=254, help_text="The address of the account.")


class ResetSerializer(StrictSerializer):
    token = StringField(max_length=200, help_text="The `token` of the link in the mail.")
    newPassword = StringField(**PASSWORD)


class DeleteAccountSerializer(StrictSerializer):
    password = StringField(**CURRENT)
