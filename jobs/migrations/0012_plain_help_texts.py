"""Plainer help texts. The tables do not change."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0011_clearer_names"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="jobevent",
            name="actor",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The member of staff; empty if the service wrote it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="jobimage",
            name="sha256",
            field=models.CharField(help_text="Of the uploaded file.", max_length=64),
        ),
        migrations.AlterField(
            model_name="submissiongate",
            name="looked_at",
            field=models.DateTimeField(
                help_text="When a worker last checked which jobs can start.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="submissiongate",
            name="opens_at",
            field=models.DateTimeField(help_text="The provider asked for a pause until then."),
        ),
        migrations.AlterField(
            model_name="videojob",
            name="crash_count",
            field=models.PositiveSmallIntegerField(
                db_column="unanswered", default=0, help_text="Consecutive steps whose worker died."
            ),
        ),
        migrations.AlterField(
            model_name="videojob",
            name="expected_seconds",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Time from start to end, estimated from recent jobs.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="videojob",
            name="failure_count",
            field=models.PositiveIntegerField(
                db_column="attempts", default=0, help_text="Consecutive failures at this stage."
            ),
        ),
        migrations.AlterField(
            model_name="videojob",
            name="operation",
            field=models.CharField(
                blank=True, help_text="The provider's name for the video.", max_length=300
            ),
        ),
        migrations.AlterField(
            model_name="videojob",
            name="rerun_of",
            field=models.ForeignKey(
                blank=True,
                db_column="made_from_id",
                db_index=False,
                help_text="The job that staff retried or fetched again.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="reruns",
                to="jobs.videojob",
            ),
        ),
    ]
