"""Webhooks, their deliveries, and what a job must know of them.

Adding the columns rewrites no table: their default is the database's. Processes of the previous
version insert jobs without them, and end jobs without a delivery.
"""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone


def create_sender(apps, schema_editor):
    apps.get_model("jobs", "WebhookSender").objects.create(until=timezone.now())


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0020_line_snapshot"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="WebhookSender",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("holder", models.UUIDField(null=True)),
                ("until", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="videojob",
            name="origin",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The scheme and host of the order, such as https://studio.example.com.",
                max_length=300,
            ),
        ),
        migrations.AddField(
            model_name="videojob",
            name="webhook_url",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where the job's end is sent, in place of the account's webhook.",
                max_length=2000,
            ),
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("url", models.CharField(max_length=2000)),
                ("events", models.JSONField(help_text="The types of events that are sent.")),
                ("secret", models.TextField(editable=False)),
                ("previous_secret", models.TextField(blank=True, editable=False)),
                (
                    "previous_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="The previous secret signs as well until then.",
                        null=True,
                    ),
                ),
                (
                    "disabled_reason",
                    models.CharField(
                        blank=True,
                        help_text="Why the service switched it off; empty if it is on.",
                        max_length=200,
                    ),
                ),
                (
                    "failing_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="The first failure since the last delivery.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="webhook",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("job_id", models.UUIDField(db_index=True)),
                ("type", models.CharField(max_length=40)),
                ("url", models.CharField(max_length=2000)),
                (
                    "host",
                    models.CharField(help_text="The URL's host, without its port.", max_length=255),
                ),
                (
                    "from_order",
                    models.BooleanField(help_text="The URL is the order's, not the account's."),
                ),
                ("body", models.TextField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "replayed",
                    models.BooleanField(
                        default=False, help_text="It gets one more try, not several."
                    ),
                ),
                ("next_try_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_status",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="The HTTP status of the last try, if there was a response.",
                        null=True,
                    ),
                ),
                ("last_error", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_try_at__isnull", False)),
                        fields=["next_try_at"],
                        name="delivery_next_try",
                    ),
                    models.Index(
                        fields=["user", "-created_at", "-id"], name="delivery_of_user_newest_first"
                    ),
                    models.Index(fields=["created_at"], name="delivery_age"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("next_try_at__isnull", False), ("status", "pending")),
                            models.Q(
                                models.Q(("status", "pending"), _negated=True),
                                ("next_try_at", None),
                            ),
                            _connector="OR",
                        ),
                        name="delivery_pending_has_next_try",
                    )
                ],
            },
        ),
        migrations.RunPython(create_sender, migrations.RunPython.noop),
    ]
