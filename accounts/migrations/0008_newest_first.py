"""Indexes for lists in the admin: users, staff, API keys and what staff did.

On PostgreSQL they are made CONCURRENTLY, so that nobody waits for them. What an interrupted run left
is dropped first, so that the migration can be run again.
"""

from django.db import migrations, models

INDEXES = {
    "user_newest_first": "accounts_user (date_joined DESC, id)",
    "api_key_newest_first": "accounts_apikey (created_at DESC, id)",
    "staff_by_name": "accounts_user (username) WHERE is_staff",
    "log_newest_first": "django_admin_log (action_time DESC, id DESC)",
}


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    for name in INDEXES:
        schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS {name}")


def create(apps, schema_editor):
    drop(apps, schema_editor)
    for name, rows in INDEXES.items():
        schema_editor.execute(f"CREATE INDEX {concurrently(schema_editor)} {name} ON {rows}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("accounts", "0007_user_note"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    "user",
                    models.Index(fields=["-date_joined", "id"], name="user_newest_first"),
                ),
                migrations.AddIndex(
                    "user",
                    models.Index(
                        fields=["username"],
                        condition=models.Q(is_staff=True),
                        name="staff_by_name",
                    ),
                ),
                migrations.AddIndex(
                    "apikey",
                    models.Index(fields=["-created_at", "id"], name="api_key_newest_first"),
                ),
            ],
            database_operations=[migrations.RunPython(create, drop)],
        )
    ]
