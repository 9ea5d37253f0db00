"""An index that finds the oldest waiting job, for /metrics and /readyz, while thousands wait.

On PostgreSQL it is made CONCURRENTLY, so that nobody waits for it. What an interrupted run left is
dropped first, so that the migration can be run again.
"""

from django.db import migrations, models

NAME = "job_oldest_waiting"


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {NAME}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    how = concurrently(schema_editor)
    schema_editor.execute(
        f"CREATE INDEX {how} {NAME} ON jobs_videojob (created_at) "
        "WHERE stage = '' AND next_step_at IS NOT NULL"
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0029_private_jobs")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="videojob",
                    index=models.Index(
                        fields=["created_at"],
                        condition=models.Q(("next_step_at__isnull", False), ("stage", "")),
                        name=NAME,
                    ),
                )
            ],
            database_operations=[migrations.RunPython(create, drop)],
        ),
    ]
