"""When a job's next step is due stands in no index: so PostgreSQL changes it in place.

Each poll changes it twice, and each time put an entry into every index of the table. For a change
in place a page needs room; on PostgreSQL new pages keep a fifth of theirs.

Nobody waits for it: on PostgreSQL both are done CONCURRENTLY. What an interrupted try left is
dropped first, so that it can be tried again.
"""

from django.db import migrations, models

OLD = "job_next_step ON jobs_videojob (stage, next_step_at) WHERE next_step_at IS NOT NULL"
NEW = "job_at_stage ON jobs_videojob (stage) WHERE completed_at IS NULL"
ROOM, NO_ROOM = "SET (fillfactor = 80)", "RESET (fillfactor)"


def replace(old, new, room):
    def run(apps, schema_editor):
        is_postgresql = schema_editor.connection.vendor == "postgresql"
        how = "CONCURRENTLY" if is_postgresql else ""
        schema_editor.execute(f"DROP INDEX {how} IF EXISTS {new.split()[0]}")
        schema_editor.execute(f"CREATE INDEX {how} {new}")
        schema_editor.execute(f"DROP INDEX {how} IF EXISTS {old.split()[0]}")
        if is_postgresql:
            schema_editor.execute(f"ALTER TABLE jobs_videojob {room}")

    return run


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0009_due_by_next_step")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="videojob",
                    index=models.Index(
                        fields=["stage"],
                        condition=models.Q(completed_at=None),
                        name="job_at_stage",
                    ),
                ),
                migrations.RemoveIndex(model_name="videojob", name="job_next_step"),
            ],
            database_operations=[
                migrations.RunPython(replace(OLD, NEW, ROOM), replace(NEW, OLD, NO_ROOM))
            ],
        )
    ]
