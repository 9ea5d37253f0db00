"""The people who use the service: clients of the API and staff."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower


class User(AbstractUser):
    """A user with a UUID key. Names and e-mails are unique whatever their case."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta(AbstractUser.Meta):
        permissions = [("deactivate_user", "Can deactivate and reactivate users")]
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="username_unique_in_any_case",
                violation_error_message="A user with that username already exists.",
            ),
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="email_unique_in_any_case",
                violation_error_message="A user with that e-mail address already exists.",
            ),
        ]


class StaffAction(models.Model):
    """Which user a row of Django's admin log concerns: as such, or by their account or a job.

    The log itself names an object alone, and a deleted job no longer tells whose it was. This is
    written with each row, so that what staff did to a user is one short read of an index.
    """

    log_entry = models.OneToOneField(
        "admin.LogEntry", on_delete=models.CASCADE, primary_key=True, related_name="staff_action"
    )
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="staff_actions", db_index=False
    )

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                models.F("user"), models.F("log_entry").desc(), name="staff_action_newest_first"
            )
        ]

    def __str__(self) -> str:
        return str(self.log_entry)
