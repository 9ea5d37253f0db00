"""Whether the user has deleted the account.

By SQL, because Django would copy the table on SQLite, and lose its triggers. Processes of the
previous version insert rows without it.
"""

from django.db import migrations, models

ADD = "ALTER TABLE tokens_ledger_account ADD COLUMN is_closed bool NOT NULL DEFAULT false"
DROP = "ALTER TABLE tokens_ledger_account DROP COLUMN is_closed"


class Migration(migrations.Migration):
    dependencies = [("tokens_ledger", "0010_api_key_of_charge")]
    operations = [
        migrations.RunSQL(
            ADD,
            DROP,
            state_operations=[
                migrations.AddField(
                    model_name="account",
                    name="is_closed",
                    field=models.BooleanField(
                        db_default=False, default=False, help_text="The user has deleted it."
                    ),
                ),
            ],
        )
    ]
