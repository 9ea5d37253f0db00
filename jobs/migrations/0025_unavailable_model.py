"""The models that Google no longer has."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0024_validate_seed"),
    ]

    operations = [
        migrations.CreateModel(
            name="UnavailableModel",
            fields=[
                ("google_id", models.TextField(primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
                ("next_probe_at", models.DateTimeField()),
                (
                    "probe",
                    models.UUIDField(
                        help_text="The job that tries whether Google accepts it.", null=True
                    ),
                ),
                ("cause", models.TextField(blank=True, help_text="Google's own text.")),
            ],
            options={
                "default_permissions": (),
            },
        ),
    ]
