"""Users: API clients and staff."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower

from videostudio.core.compiled_query import CompiledQuery, Param


class User(AbstractUser):
    """A user with a UUID key. Names and e-mail addresses are unique, ignoring case."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta(AbstractUser.Meta):
        permissions = [("deactivate_user", "Can deactivate and reactivate users")]
        # For the list in the admin.
        indexes = [
            models.Index(fields=["-date_joined", "id"], name="user_newest_first"),
            models.Index(
                fields=["username"], condition=models.Q(is_staff=True), name="staff_by_name"
            ),
        ]
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


USER_OF_ID = CompiledQuery(lambda: User.objects.filter(pk=Param("pk", models.UUIDField())))


class ApiKey(models.Model):
    """A long-lived credential of a user's program. Only a hash of it is stored.

    `api_keys.py` is the only writer.
    """

    class Scope(models.TextChoices):
        """READ keys may only make GET and HEAD requests."""

        FULL = "full"
        READ = "read"

    NAME_LENGTH, PREFIX_LENGTH = 100, 12

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=NAME_LENGTH)
    prefix = models.CharField(
        max_length=PREFIX_LENGTH, unique=True, help_text="The public beginning of the key."
    )
    sha256 = models.CharField(max_length=64, help_text="Of the whole key, in hexadecimal.")
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.FULL)
    expires_at = models.DateTimeField(null=True, blank=True)
    daily_token_limit = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Tokens that its orders may cost in one day (UTC)."
    )
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="Written at most once a minute."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        permissions = [("revoke_apikey", "Can revoke API keys")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope__in=["full", "read"]), name="api_key_scope_known"
            )
        ]
        indexes = [
            models.Index(
                fields=["revoked_at"],
                condition=models.Q(revoked_at__isnull=False),
                name="api_key_revoked",
            ),
            # For the list in the admin.
            models.Index(fields=["-created_at", "id"], name="api_key_newest_first"),
        ]

    def __str__(self) -> str:
        return self.prefix


class UserNote(models.Model):
    """A note that a member of staff wrote about a user, for staff only."""

    LENGTH = 2_000

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField(max_length=LENGTH)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        permissions = [("write_usernote", "Can write a note about a user")]

    def __str__(self) -> str:
        return f"note of {self.created_at:%Y-%m-%d}"


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
