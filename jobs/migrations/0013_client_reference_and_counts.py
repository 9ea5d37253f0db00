"""The client's reference of a job, and counts of each user's jobs by final status.

Adding the columns rewrites no table: their default is the database's. The next migration counts.
Processes of the previous version do not maintain the counts; `job_totals.repair` corrects them.
"""

from django.db import migrations, models


def count_column(name):
    return migrations.AddField(
        model_name="jobcount", name=name, field=models.IntegerField(db_default=0, default=0)
    )


class Migration(migrations.Migration):
    dependencies = [("jobs", "0012_plain_help_texts")]

    operations = [
        migrations.AddField(
            model_name="videojob",
            name="client_reference",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The client's own name for the job.",
                max_length=255,
            ),
        ),
        count_column("succeeded"),
        count_column("failed"),
        count_column("cancelled"),
    ]
