"""Remove what identifies a user from the row that the ledger's entries refer to."""

from axes.models import AccessAttempt, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import ApiKey, User, UserNote


def anonymous_name(user: User) -> str:
    return f"deleted-{user.pk.hex}"


def is_erased(user: User) -> bool:
    return user.username == anonymous_name(user)


def erase(*, user: User) -> None:
    """Deactivate `user` for good, without name, address, password, roles, keys and tokens.

    Runs in the caller's transaction. The row is changed before the keys are deleted: the creation
    of a key locks it, and then finds the user inactive.
    """
    username, anonymous = user.username, anonymous_name(user)
    # A refresh locks its token and then, by the checks of foreign keys at its end, the user.
    list(OutstandingToken.objects.select_for_update().filter(user=user).order_by("pk"))
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
    # The admin log contains the names of users and accounts at the time of each action.
    logged = LogEntry.objects.filter(staff_action__user=user, object_id=str(user.pk))
    names = {username, user.email, *logged.values_list("object_repr", flat=True)} - {""}
    logged.update(object_repr=anonymous)
    for name in names:
        for logins in (AccessAttempt.objects, AccessLog.objects):
            logins.filter(username__iexact=name).delete()
