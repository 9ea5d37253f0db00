"""Which user a row of Django's admin log concerns, written with the row."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.http import HttpRequest

from accounts.models import StaffAction, User


class StaffLogMixin(ModelAdmin):
    """For the admin of users, and of objects that have a `user_id`.

    Both rows are one transaction: the hourly cleanup links each row of the log that it sees alone.
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
