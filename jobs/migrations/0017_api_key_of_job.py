"""The prefix of the API key with which a job was ordered.

Adding the column rewrites no table on PostgreSQL: its default is the database's, which also serves
processes of the previous version.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0016_turns")]

    operations = [
        migrations.AddField(
            model_name="videojob",
            name="api_key_prefix",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The prefix of the API key with which the job was ordered.",
                max_length=12,
            ),
        ),
    ]
