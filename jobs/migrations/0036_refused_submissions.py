"""Submissions that Google refused count towards VEO_CREATES_PER_MINUTE."""

from django.db import migrations, models
from django.db.models import JSONField, Value


class Migration(migrations.Migration):
    dependencies = [("jobs", "0035_undelivered_events")]

    operations = [
        migrations.AddField(
            model_name="submissiongate",
            name="refused",
            field=models.JSONField(
                db_default=Value([], JSONField()),
                default=list,
                help_text="When the provider refused submissions in the last minute, in Unix time.",
            ),
        ),
    ]
