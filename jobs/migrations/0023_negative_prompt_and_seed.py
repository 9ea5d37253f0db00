"""The negative prompt and the seed of a job.

Adding the columns rewrites no table. On PostgreSQL the constraint is not checked against the
existing rows here, which would block all others meanwhile; the next migration does that.
"""

from django.db import migrations, models

CONSTRAINT = models.CheckConstraint(
    condition=models.Q(("seed__range", (0, 4294967295))), name="job_seed_in_range"
)


def add(apps, schema_editor):
    job = apps.get_model("jobs", "VideoJob")
    if schema_editor.connection.vendor != "postgresql":
        schema_editor.add_constraint(job, CONSTRAINT)
        return
    sql = CONSTRAINT.create_sql(job, schema_editor)
    schema_editor.execute(f"{sql} NOT VALID", params=None)


def remove(apps, schema_editor):
    schema_editor.remove_constraint(apps.get_model("jobs", "VideoJob"), CONSTRAINT)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0022_resend_webhooks")]

    operations = [
        migrations.AddField(
            model_name="videojob",
            name="negative_prompt",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="What the video should not show.",
            ),
        ),
        migrations.AddField(
            model_name="videojob",
            name="seed",
            field=models.BigIntegerField(
                blank=True,
                help_text="Google makes similar videos of the same request and seed.",
                null=True,
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.AddConstraint("videojob", CONSTRAINT)],
            database_operations=[migrations.RunPython(add, remove)],
        ),
    ]
