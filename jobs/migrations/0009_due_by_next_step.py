"""The index of what is due says so by its own column.

While its condition was the jobs' status, PostgreSQL took it for the other index of active jobs,
and read all of them to count one user's, for as long as it had not noticed how many there were.

Nobody waits for it: on PostgreSQL both are done CONCURRENTLY. What an interrupted try left is
dropped first, so that it can be tried again.
"""

from django.db import migrations, models

OLD = "job_due ON jobs_videojob (stage, next_step_at) WHERE status IN ('PENDING', 'RUNNING')"
NEW = "job_next_step ON jobs_videojob (stage, next_step_at) WHERE next_step_at IS NOT NULL"


def replace(old, new):
    def run(apps, schema_editor):
        how = "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
        schema_editor.execute(f"DROP INDEX {how} IF EXISTS {new.split()[0]}")
        schema_editor.execute(f"CREATE INDEX {how} {new}")
        schema_editor.execute(f"DROP INDEX {how} IF EXISTS {old.split()[0]}")

    return run


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0008_leaner_indexes")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="videojob",
                    index=models.Index(
                        fields=["stage", "next_step_at"],
                        condition=models.Q(next_step_at__isnull=False),
                        name="job_next_step",
                    ),
                ),
                migrations.RemoveIndex(model_name="videojob", name="job_due"),
            ],
            database_operations=[migrations.RunPython(replace(OLD, NEW), replace(NEW, OLD))],
        )
    ]
