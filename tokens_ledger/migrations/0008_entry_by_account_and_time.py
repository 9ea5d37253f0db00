"""An index for the entries of an account within a period.

On PostgreSQL it is made CONCURRENTLY, so that nobody waits for it. What an interrupted run left is
dropped first, so that the migration can be run again.
"""

from django.db import migrations, models

NAME = "entry_of_account_by_time"


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {NAME}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    how = concurrently(schema_editor)
    schema_editor.execute(
        f"CREATE INDEX {how} {NAME} ON tokens_ledger_entry (account_id, created_at)"
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tokens_ledger", "0007_plain_help_texts")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="entry",
                    index=models.Index(fields=["account", "created_at"], name=NAME),
                ),
            ],
            database_operations=[migrations.RunPython(create, drop)],
        )
    ]
