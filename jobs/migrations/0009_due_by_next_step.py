"""The index of what is due says so by its own column.

While its condition was the jobs' status, PostgreSQL took it for the other index of active jobs,
and read all of them to count one user's, for as long as it had not noticed how many there were.
The new one is there before the old one goes, each in a transaction of its own: orders go on.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0008_leaner_indexes")]
    operations = [
        migrations.AddIndex(
            model_name="videojob",
            index=models.Index(
                fields=["stage", "next_step_at"],
                condition=models.Q(next_step_at__isnull=False),
                name="job_next_step",
            ),
        ),
        migrations.RemoveIndex(model_name="videojob", name="job_due"),
    ]
