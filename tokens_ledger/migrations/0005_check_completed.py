"""A check that was stopped by its time limit is not completed, and has no totals.

The version before can run on beside this: the database itself gives its rows `completed`.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tokens_ledger", "0004_by_the_index")]
    operations = [
        migrations.AddField(
            model_name="ledgercheck",
            name="completed",
            field=models.BooleanField(default=True, db_default=True),
        ),
        migrations.AlterField(
            model_name="ledgercheck",
            name="accounts",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="ledgercheck",
            name="entries",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="ledgercheck",
            name="tokens",
            field=models.BigIntegerField(null=True, help_text="The sum of all entries."),
        ),
    ]
