"""Videos can be removed: what a job says of it, and the outbox for the storage.

Adding the columns rewrites no table. On PostgreSQL the wider constraint is not checked against the
existing rows here, which would lock the table for the time that it takes; the next migration does.
"""

from django.db import migrations, models
from django.db.models import Q


class AddWithoutCheck(migrations.AddConstraint):
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        schema_editor.execute(f"{self.constraint.create_sql(model, schema_editor)} NOT VALID", None)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0026_webhook_destinations")]

    operations = [
        migrations.CreateModel(
            name="VideoRemoval",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job_id", models.UUIDField(unique=True)),
                (
                    "name",
                    models.CharField(
                        help_text="Of the video at the storage, without ending.", max_length=200
                    ),
                ),
                (
                    "is_local",
                    models.BooleanField(help_text="On this server's disk, not at Cloudinary."),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("owner", "the owner removed it"),
                            ("staff", "taken down by staff"),
                            ("age", "its time was over"),
                            ("account", "the account was deleted"),
                            ("unused", "its job ended without it"),
                        ],
                        max_length=10,
                    ),
                ),
                ("is_bulk", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                ("next_try_at", models.DateTimeField()),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("last_error", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["is_bulk", "next_try_at"], name="removal_next_try")
                ],
            },
        ),
        migrations.AddField(
            model_name="videojob",
            name="video_removed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="videojob",
            name="video_removed_reason",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.RemoveConstraint(model_name="videojob", name="job_succeeded_has_video"),
        AddWithoutCheck(
            model_name="videojob",
            constraint=models.CheckConstraint(
                condition=~Q(status="SUCCEEDED")
                | ~Q(video_url="")
                | Q(video_removed_at__isnull=False),
                name="job_succeeded_has_video",
            ),
        ),
    ]
