"""The single row with the places of some jobs in a long waiting line."""

from datetime import UTC, datetime

from django.db import migrations, models


def add_row(apps, schema_editor):
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    apps.get_model("jobs", "LineSnapshot").objects.create(numbered_at=long_ago)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0019_lists_of_staff")]

    operations = [
        migrations.CreateModel(
            name="LineSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("numbered_at", models.DateTimeField()),
                ("marks", models.JSONField(default=dict)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.RunPython(add_row, migrations.RunPython.noop),
    ]
