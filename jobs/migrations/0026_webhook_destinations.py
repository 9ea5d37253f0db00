"""The index by which the sender of webhooks finds whose deliveries are due, and older secrets.

On PostgreSQL the index is made CONCURRENTLY, so that nobody waits for it. What an interrupted run
left is dropped first, so that the migration can be run again. The column's default is the
database's, so no row is rewritten and processes of the previous version insert webhooks without it.
"""

from django.db import migrations, models

INDEX = models.Index(
    fields=["user", "host", "next_try_at"],
    condition=models.Q(("next_try_at__isnull", False)),
    name="delivery_by_destination",
)


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    schema_editor.execute(
        f"DROP INDEX {concurrently(schema_editor)} IF EXISTS delivery_by_destination"
    )


def create(apps, schema_editor):
    drop(apps, schema_editor)
    schema_editor.execute(
        f"CREATE INDEX {concurrently(schema_editor)} delivery_by_destination"
        " ON jobs_webhookdelivery (user_id, host, next_try_at) WHERE next_try_at IS NOT NULL"
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0025_unavailable_model")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(create, drop)],
            state_operations=[migrations.AddIndex("webhookdelivery", INDEX)],
        ),
        migrations.AddField(
            model_name="webhook",
            name="older_secrets",
            field=models.JSONField(
                db_default=models.Value([], models.JSONField()),
                default=list,
                editable=False,
                help_text="Those before the previous one that still sign: each with the time of"
                " its end.",
            ),
        ),
    ]
