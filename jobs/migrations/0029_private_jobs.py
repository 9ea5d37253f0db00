"""Whether the public monitor hides a job, and indexes for its reads and for the staff's filter.

Adding the column rewrites no table on PostgreSQL: its default is the database's, which also serves
processes of the previous version. There the indexes are made CONCURRENTLY, so that nobody waits for
them. What an interrupted run left is dropped first, so that the migration can be run again.
"""

from django.db import migrations, models

NEWEST = ["-created_at", "-id"]
PUBLIC = models.Q(("private", False))
ACTIVE = models.Q(("private", False), ("status__in", ("PENDING", "RUNNING")))
INDEXES = [
    models.Index(fields=NEWEST, condition=PUBLIC, name="job_public"),
    models.Index(fields=NEWEST, condition=ACTIVE, name="job_public_active"),
    models.Index(fields=NEWEST, condition=models.Q(("private", True)), name="job_private"),
]
SQL = {
    "job_public": "NOT private",
    "job_public_active": "NOT private AND status IN ('PENDING', 'RUNNING')",
    "job_private": "private",
}


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    for name in SQL:
        schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {name}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    for name, condition in SQL.items():
        how = concurrently(schema_editor)
        columns = "(created_at DESC, id DESC)"
        schema_editor.execute(
            f"CREATE INDEX {how} {name} ON jobs_videojob {columns} WHERE {condition}"
        )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0028_video_age_and_take_down")]

    operations = [
        migrations.AddField(
            model_name="videojob",
            name="private",
            field=models.BooleanField(
                db_default=False, default=False, help_text="The public monitor only counts the job."
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(model_name="videojob", index=index) for index in INDEXES
            ],
            database_operations=[migrations.RunPython(create, drop)],
        ),
    ]
