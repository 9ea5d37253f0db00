"""The index by which the cleanup finds keys that were revoked long ago.

On PostgreSQL it is made CONCURRENTLY, so that nobody waits for it. What an interrupted run left is
dropped first, so that the migration can be run again.
"""

from django.db import migrations, models

REVOKED = models.Index(
    fields=["revoked_at"],
    condition=models.Q(("revoked_at__isnull", False)),
    name="api_key_revoked",
)


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS api_key_revoked")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    schema_editor.execute(
        f"CREATE INDEX {concurrently(schema_editor)} api_key_revoked ON accounts_apikey"
        " (revoked_at) WHERE revoked_at IS NOT NULL"
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0005_api_key")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(create, drop)],
            state_operations=[migrations.AddIndex("apikey", REVOKED)],
        ),
    ]
