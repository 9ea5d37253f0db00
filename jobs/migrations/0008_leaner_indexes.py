"""Indexes that others begin with go, and two hold only what is asked for.

Each statement is a transaction of its own, since web takes orders meanwhile: one that locked two
tables would wait for an order that holds the one and asks for the other. To alter the fields would
lock what they refer to as well, so their indexes are dropped by name, which both databases can.
"""

from django.conf import settings
from django.db import migrations, models

CASCADE, PROTECT = models.CASCADE, models.PROTECT


def without_index(model_name, name, on_delete, to, related_name, index):
    field = models.ForeignKey(to, on_delete=on_delete, related_name=related_name, db_index=False)
    return migrations.SeparateDatabaseAndState(
        state_operations=[migrations.AlterField(model_name=model_name, name=name, field=field)],
        database_operations=[
            migrations.RunSQL(
                f"DROP INDEX IF EXISTS {index}",
                f"CREATE INDEX {index} ON jobs_{model_name} ({name}_id)",
            )
        ],
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("jobs", "0007_job_counts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.RemoveIndex(model_name="videojob", name="job_active_of_user"),
        migrations.AddIndex(
            model_name="videojob",
            index=models.Index(
                fields=["user", "status"],
                condition=models.Q(status__in=("PENDING", "RUNNING")),
                name="job_active_of_user",
            ),
        ),
        migrations.RemoveIndex(model_name="videojob", name="job_started"),
        migrations.AddIndex(
            model_name="videojob",
            index=models.Index(
                fields=["started_at"],
                condition=models.Q(started_at__isnull=False),
                name="job_started",
            ),
        ),
        without_index(
            "videojob",
            "user",
            PROTECT,
            settings.AUTH_USER_MODEL,
            "video_jobs",
            "jobs_videojob_user_id_40a64c2a",
        ),
        without_index(
            "jobimage", "job", CASCADE, "jobs.videojob", "images", "jobs_jobimage_job_id_dc79519f"
        ),
        without_index(
            "jobevent", "job", CASCADE, "jobs.videojob", "events", "jobs_jobevent_job_id_79067df7"
        ),
        without_index(
            "idempotencykey",
            "user",
            CASCADE,
            settings.AUTH_USER_MODEL,
            "+",
            "jobs_idempotencykey_user_id_6e7cf303",
        ),
    ]
