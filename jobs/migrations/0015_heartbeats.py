"""Heartbeats of web processes and clusters, and the last runs of the periodic tasks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0014_lists_by_status_and_reference")]

    operations = [
        migrations.CreateModel(
            name="PeriodicTask",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField(null=True)),
                (
                    "finished_at",
                    models.DateTimeField(help_text="The end of the last success.", null=True),
                ),
                ("failed_at", models.DateTimeField(null=True)),
                (
                    "error",
                    models.CharField(
                        blank=True, help_text="The last exception's name.", max_length=100
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("web", "Web"), ("cluster", "Cluster")], max_length=8
                    ),
                ),
                ("host", models.CharField(max_length=64)),
                ("pid", models.PositiveBigIntegerField()),
                ("version", models.CharField(help_text="A hash of the code.", max_length=12)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "host", "pid"), name="heartbeat_of_process"
                    )
                ],
            },
        ),
    ]
