"""Clearer names in Python. The columns keep theirs, so old processes may run beside this."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_past_staff_actions")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex(model_name="videojob", name="job_made_again"),
                migrations.RenameField("videojob", "attempts", "failure_count"),
                migrations.RenameField("videojob", "unanswered", "crash_count"),
                migrations.RenameField("videojob", "made_from", "rerun_of"),
                migrations.AlterField(
                    "videojob",
                    "failure_count",
                    models.PositiveIntegerField(
                        db_column="attempts",
                        default=0,
                        help_text="Failed tries in a row at this stage.",
                    ),
                ),
                migrations.AlterField(
                    "videojob",
                    "crash_count",
                    models.PositiveSmallIntegerField(
                        db_column="unanswered",
                        default=0,
                        help_text="Steps begun in a row that no worker lived to finish.",
                    ),
                ),
                migrations.AlterField(
                    "videojob",
                    "rerun_of",
                    models.ForeignKey(
                        "jobs.videojob",
                        blank=True,
                        db_column="made_from_id",
                        db_index=False,
                        help_text="The job that staff had done again as this one.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="reruns",
                    ),
                ),
                migrations.AddIndex(
                    model_name="videojob",
                    index=models.Index(
                        condition=Q(rerun_of__isnull=False),
                        fields=["rerun_of"],
                        name="job_made_again",
                    ),
                ),
            ]
        )
    ]
