"""The API key of a charge, and an index for the charges of a key within a period.

The column is empty in all existing rows, so adding it rewrites no table. On PostgreSQL the index is
made CONCURRENTLY. What an interrupted run left is dropped first, so that the migration can be run
again.
"""

from django.db import migrations, models

NAME = "entry_of_api_key_by_time"


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {NAME}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    how = concurrently(schema_editor)
    schema_editor.execute(
        f"CREATE INDEX {how} {NAME} ON tokens_ledger_entry (api_key, created_at) "
        "WHERE api_key IS NOT NULL"
    )


def add_column(apps, schema_editor):
    """Only if it is missing: an interrupted run may have added it."""
    with schema_editor.connection.cursor() as cursor:
        columns = schema_editor.connection.introspection.get_table_description(
            cursor, "tokens_ledger_entry"
        )
    if "api_key" not in [column.name for column in columns]:
        entry = apps.get_model("tokens_ledger", "Entry")
        field = models.UUIDField(null=True, editable=False)
        field.set_attributes_from_name("api_key")
        schema_editor.add_field(entry, field)


def drop_column(apps, schema_editor):
    schema_editor.execute("ALTER TABLE tokens_ledger_entry DROP COLUMN api_key")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("tokens_ledger", "0009_check_keeps_sums")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddField(
                    model_name="entry",
                    name="api_key",
                    field=models.UUIDField(
                        editable=False,
                        help_text="The API key of the order that was charged.",
                        null=True,
                    ),
                ),
                migrations.AddIndex(
                    model_name="entry",
                    index=models.Index(
                        condition=models.Q(("api_key__isnull", False)),
                        fields=["api_key", "created_at"],
                        name=NAME,
                    ),
                ),
            ],
            database_operations=[
                migrations.RunPython(add_column, drop_column),
                migrations.RunPython(create, drop),
            ],
        )
    ]
