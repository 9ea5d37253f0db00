"""Indexes for the monitor's lists: active jobs by status, and ended jobs by their end.

They replace those of the list that mixed both. On PostgreSQL they are made CONCURRENTLY, so that
nobody waits for them. What an interrupted run left is dropped first, so that the migration can be
run again. Processes of the previous version read their lists from `job_newest_first` meanwhile.
"""

from django.db import migrations, models

ACTIVE = models.Q(("private", False), ("status__in", ("PENDING", "RUNNING")))
ENDED = models.Q(("completed_at__isnull", False), ("private", False))
INDEXES = [
    models.Index(fields=["-completed_at", "-id"], condition=ENDED, name="job_public_ended"),
    models.Index(
        fields=["-status", "-created_at", "-id"], condition=ACTIVE, name="job_public_by_status"
    ),
]
NEW = {
    "job_public_ended": (
        "(completed_at DESC, id DESC) WHERE (completed_at IS NOT NULL AND NOT private)"
    ),
    "job_public_by_status": (
        "(status DESC, created_at DESC, id DESC) "
        "WHERE NOT private AND status IN ('PENDING', 'RUNNING')"
    ),
}
OLD = {
    "job_public": "(created_at DESC, id DESC) WHERE NOT private",
    "job_public_active": (
        "(created_at DESC, id DESC) WHERE NOT private AND status IN ('PENDING', 'RUNNING')"
    ),
}


def replace(schema_editor, old, new):
    how = "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""
    for name, definition in new.items():
        schema_editor.execute(f"DROP INDEX {how} IF EXISTS {name}")
        schema_editor.execute(f"CREATE INDEX {how} {name} ON jobs_videojob {definition}")
    for name in old:
        schema_editor.execute(f"DROP INDEX {how} IF EXISTS {name}")


def forwards(apps, schema_editor):
    replace(schema_editor, OLD, NEW)


def backwards(apps, schema_editor):
    replace(schema_editor, NEW, OLD)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0030_oldest_waiting_job")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.RemoveIndex(model_name="videojob", name=name) for name in OLD),
                *(migrations.AddIndex(model_name="videojob", index=index) for index in INDEXES),
            ],
            database_operations=[migrations.RunPython(forwards, backwards)],
        ),
    ]
