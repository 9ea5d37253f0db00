"""Indexes for the filters of the staff's list of jobs.

On PostgreSQL they are made CONCURRENTLY, so that nobody waits for them. What an interrupted run
left is dropped first, so that the migration can be run again. It used to make the indexes for the
search of words too, which 0033_negative_prompt_words does now, since one is of a later column.
"""

from django.db import migrations, models

NEWEST = ["-created_at", "-id"]
INDEXES = {
    "job_of_model": models.Index(fields=["model", *NEWEST], name="job_of_model"),
    "job_free": models.Index(
        fields=NEWEST, condition=models.Q(("tokens_consumed", 0)), name="job_free"
    ),
    "job_refunded": models.Index(
        fields=NEWEST, condition=models.Q(("tokens_refunded__gt", 0)), name="job_refunded"
    ),
    "job_mock": models.Index(
        fields=NEWEST, condition=models.Q(("mock_mode", True)), name="job_mock"
    ),
    "job_cancelled": models.Index(
        fields=NEWEST, condition=models.Q(("status", "CANCELLED")), name="job_cancelled"
    ),
}
COLUMNS = "created_at DESC, id DESC"
SQL = {
    "job_of_model": f"(model, {COLUMNS})",
    "job_free": f"({COLUMNS}) WHERE tokens_consumed = 0",
    "job_refunded": f"({COLUMNS}) WHERE tokens_refunded > 0",
    "job_mock": f"({COLUMNS}) WHERE mock_mode",
    "job_cancelled": f"({COLUMNS}) WHERE status = 'CANCELLED'",
}


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    for name in SQL:
        schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {name}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    for name, columns in SQL.items():
        how = concurrently(schema_editor)
        schema_editor.execute(f"CREATE INDEX {how} {name} ON jobs_videojob {columns}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0018_roles_and_api_keys"), ("accounts", "0004_staff_action")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(model_name="videojob", index=index)
                for index in INDEXES.values()
            ],
            database_operations=[migrations.RunPython(create, drop)],
        ),
    ]
