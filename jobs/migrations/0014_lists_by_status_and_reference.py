"""Indexes for the list of a user's jobs of one status, and of one client reference.

On PostgreSQL they are made CONCURRENTLY, so that nobody waits for them. What an interrupted run
left is dropped first, so that the migration can be run again. With the index, the jobs of each
final status are counted.
"""

from django.db import migrations, models

INDEXES = {
    "job_of_user_by_status": "(user_id, status, created_at DESC, id DESC)",
    "job_of_user_by_reference": (
        "(user_id, client_reference, created_at DESC, id DESC) WHERE NOT (client_reference = '')"
    ),
}
NUMBER = "(SELECT count(*) FROM jobs_videojob AS job WHERE job.user_id = jobs_jobcount.user_id AND "
COUNT = f"""
    UPDATE jobs_jobcount SET
        succeeded = {NUMBER} job.status = 'SUCCEEDED'),
        failed = {NUMBER} job.status = 'FAILED'),
        cancelled = {NUMBER} job.status = 'CANCELLED')
"""


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    for name in INDEXES:
        schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {name}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    for name, columns in INDEXES.items():
        how = concurrently(schema_editor)
        schema_editor.execute(f"CREATE INDEX {how} {name} ON jobs_videojob {columns}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0013_client_reference_and_counts")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="videojob",
                    index=models.Index(
                        fields=["user", "status", "-created_at", "-id"],
                        name="job_of_user_by_status",
                    ),
                ),
                migrations.AddIndex(
                    model_name="videojob",
                    index=models.Index(
                        condition=models.Q(("client_reference", ""), _negated=True),
                        fields=["user", "client_reference", "-created_at", "-id"],
                        name="job_of_user_by_reference",
                    ),
                ),
            ],
            database_operations=[migrations.RunPython(create, drop)],
        ),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
