"""An index that finds a user's pending and failed deliveries among those that were delivered.

On PostgreSQL it is made CONCURRENTLY, so that nobody waits for it. What an interrupted run left is
dropped first, so that the migration can be run again.
"""

from django.db import migrations, models

NAME = "delivery_not_delivered"


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {NAME}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    how = concurrently(schema_editor)
    schema_editor.execute(
        f"CREATE INDEX {how} {NAME} ON jobs_webhookdelivery (user_id, created_at DESC, id DESC) "
        "WHERE NOT (status = 'delivered')"
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0034_held_jobs")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="webhookdelivery",
                    index=models.Index(
                        fields=["user", "-created_at", "-id"],
                        condition=models.Q(("status", "delivered"), _negated=True),
                        name=NAME,
                    ),
                )
            ],
            database_operations=[migrations.RunPython(create, drop)],
        ),
    ]
