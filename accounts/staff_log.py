"""Link each row of Django's admin log to the user concerned, when the row is written."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.http import HttpRequest

from accounts.models import StaffAction, User


class StaffLogMixin(ModelAdmin):
    """For the admins of users, and of objects with a `user_id`.

    Row and link are written in one transaction, because the hourly cleanup adds missing links to
    rows without one.
    """

    @transaction.atomic
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return _link(super().log_addition(request, obj, message), obj)

    @transaction.atomic
    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return _link(super().log_change(request, obj, message), obj)


def _link(entry: LogEntry, obj: Any) -> LogEntry:
    user_id = obj.pk if isinstance(obj, User) else obj.user_id
    StaffAction.objects.create(log_entry=entry, user_id=user_id)
    return entry
