"""Record, with each row of Django's admin log, which user it concerns."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest

from accounts.models import StaffAction, User


class StaffLogMixin(ModelAdmin):
    """For the admin of users, and of models with a `user_id`."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return _link(super().log_addition(request, obj, message), obj)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return _link(super().log_change(request, obj, message), obj)


def _link(entry: LogEntry, obj: Any) -> LogEntry:
    user_id = obj.pk if isinstance(obj, User) else obj.user_id
    StaffAction.objects.create(log_entry=entry, user_id=user_id)
    return entry
