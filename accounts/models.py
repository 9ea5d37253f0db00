"""Users: API clients and staff."""

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
    """The user whom a row of Django's admin log concerns: directly, by an account or by a job.

    The log itself names only the object, and the owner of a deleted job is unknown. This row is
    written together with the log's row, so that one indexed query finds what staff did to a user.
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
