"""A check stores the sums of the older entries, so that the metrics add up only the newer ones.

Processes of the previous version insert rows without them.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tokens_ledger", "0008_entry_by_account_and_time")]
    operations = [
        migrations.AddField(
            model_name="ledgercheck",
            name="summed_until",
            field=models.BigIntegerField(
                help_text="The last entry that the sums include.", null=True
            ),
        ),
        migrations.AddField(
            model_name="ledgercheck",
            name="sums",
            field=models.JSONField(help_text="Tokens by kind of entry.", null=True),
        ),
    ]
