import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_staff_action")]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                (
                    "prefix",
                    models.CharField(
                        help_text="The public beginning of the key.", max_length=12, unique=True
                    ),
                ),
                (
                    "sha256",
                    models.CharField(help_text="Of the whole key, in hexadecimal.", max_length=64),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[("full", "Full"), ("read", "Read")], default="full", max_length=8
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "daily_token_limit",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="Tokens that its orders may cost in one day (UTC).",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True, help_text="Written at most once a minute.", null=True
                    ),
                ),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "permissions": [("revoke_apikey", "Can revoke API keys")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("scope__in", ["full", "read"])),
                        name="api_key_scope_known",
                    )
                ],
            },
        ),
    ]
