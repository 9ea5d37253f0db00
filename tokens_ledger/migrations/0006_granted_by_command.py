"""An index of the few entries that were granted by command, among any number of charges.

Nobody waits for it: on PostgreSQL it is made CONCURRENTLY. What an interrupted try left is dropped
first, so that it can be tried again.
"""

from django.db import migrations, models

NAME = "entry_granted_by_command"
INDEX = (
    f"{NAME} ON tokens_ledger_entry (account_id, id DESC) "
    "WHERE kind IN ('grant', 'adjustment') AND actor_id IS NULL"
)


def how(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX {how(schema_editor)} IF EXISTS {NAME}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    schema_editor.execute(f"CREATE INDEX {how(schema_editor)} {INDEX}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tokens_ledger", "0005_check_completed")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="entry",
                    index=models.Index(
                        models.F("account"),
                        models.F("id").desc(),
                        condition=models.Q(kind__in=["grant", "adjustment"], actor=None),
                        name=NAME,
                    ),
                ),
            ],
            database_operations=[migrations.RunPython(create, drop)],
        )
    ]
