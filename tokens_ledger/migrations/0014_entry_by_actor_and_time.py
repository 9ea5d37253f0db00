"""An index for the entries of a member of staff within a period; that of the foreign key is
dropped, which has every entry, although few have an actor.

On PostgreSQL both happen CONCURRENTLY, so that nobody waits for it. What an interrupted run left is
dropped first, so that the migration can be run again.
"""

from django.conf import settings
from django.db import migrations, models

NAME, OF_FOREIGN_KEY = "entry_of_actor_by_time", "tokens_ledger_entry_actor_id_04c79e67"


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(schema_editor, name):
    schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {name}")


def create(schema_editor, name, rows):
    drop(schema_editor, name)
    how = concurrently(schema_editor)
    schema_editor.execute(f"CREATE INDEX {how} {name} ON tokens_ledger_entry {rows}")


def forwards(apps, schema_editor):
    create(schema_editor, NAME, "(actor_id, created_at) WHERE actor_id IS NOT NULL")
    drop(schema_editor, OF_FOREIGN_KEY)


def backwards(apps, schema_editor):
    create(schema_editor, OF_FOREIGN_KEY, "(actor_id)")
    drop(schema_editor, NAME)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("tokens_ledger", "0013_account_sums"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="entry",
                    name="actor",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="The member of staff; empty if the service wrote it.",
                        null=True,
                        on_delete=models.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AddIndex(
                    model_name="entry",
                    index=models.Index(
                        condition=models.Q(("actor__isnull", False)),
                        fields=["actor", "created_at"],
                        name=NAME,
                    ),
                ),
            ],
            database_operations=[migrations.RunPython(forwards, backwards)],
        )
    ]
