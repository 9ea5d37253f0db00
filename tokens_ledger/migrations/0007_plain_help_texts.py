"""Plainer help texts. The tables do not change."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tokens_ledger", "0006_granted_by_command"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="account",
            name="balance",
            field=models.BigIntegerField(default=0, help_text="In tokens; the sum of the entries."),
        ),
        migrations.AlterField(
            model_name="entry",
            name="actor",
            field=models.ForeignKey(
                blank=True,
                help_text="The member of staff; empty if the service wrote it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="entry",
            name="amount",
            field=models.BigIntegerField(help_text="In tokens; negative if they were deducted."),
        ),
        migrations.AlterField(
            model_name="entry",
            name="balance_after",
            field=models.BigIntegerField(help_text="The balance after this entry."),
        ),
        migrations.AlterField(
            model_name="entry",
            name="note",
            field=models.CharField(
                blank=True, default="", help_text="The user can read it.", max_length=500
            ),
        ),
    ]
