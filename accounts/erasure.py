"""Remove what identifies a user from the row that the ledger's entries refer to."""

from axes.models import AccessAttempt, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import ApiKey, User, UserNote


def erase(*, user: User) -> None:
    """Deactivate `user` for good, without name, address, password, roles, keys and tokens.

    Runs in the caller's transaction. The row is changed first: the creation of a key locks it, and
    then finds the user inactive.
    """
    username, anonymous = user.username, f"deleted-{user.pk.hex}"
    User.objects.filter(pk=user.pk).update(
        username=anonymous,
        email="",
        first_name="",
        last_name="",
        password=make_password(None),
        last_login=None,
        is_active=False,
        is_staff=False,
        is_superuser=False,
    )
    user.groups.clear()
    user.user_permissions.clear()
    for rows in (ApiKey.objects, OutstandingToken.objects, TOTPDevice.objects, UserNote.objects):
        rows.filter(user=user).delete()
    # The log names users and their accounts as they were called at that time.
    logged = LogEntry.objects.filter(staff_action__user=user, object_id=str(user.pk))
    names = {username, user.email, *logged.values_list("object_repr", flat=True)} - {""}
    logged.update(object_repr=anonymous)
    for name in names:
        for logins in (AccessAttempt.objects, AccessLog.objects):
            logins.filter(username__iexact=name).delete()
