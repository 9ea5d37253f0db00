"""The index for VIDEO_KEEP_DAYS, made CONCURRENTLY; Support and Operator may take videos down."""

from importlib import import_module

from django.db import migrations, models

roles = import_module("jobs.migrations.0006_roles")
TAKE_DOWN = ("jobs", "videojob", "take_down_videojob", "Can take down a job's video")
SEE = ("jobs", "videoremoval", "view_videoremoval", "Can view video removal")
ADDED = {"Support": [TAKE_DOWN, SEE], "Operator": [TAKE_DOWN, SEE], "Finance": [SEE]}


def add(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name, permissions in ADDED.items():
        for group in Group.objects.filter(name=name):
            group.permissions.add(*[roles._permission(apps, *each) for each in permissions])


def concurrently(schema_editor):
    return "CONCURRENTLY" if schema_editor.connection.vendor == "postgresql" else ""


def drop(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX {concurrently(schema_editor)} IF EXISTS job_video_age")


def create(apps, schema_editor):
    drop(apps, schema_editor)  # what an interrupted run left
    schema_editor.execute(
        f"CREATE INDEX {concurrently(schema_editor)} job_video_age "
        "ON jobs_videojob (completed_at) WHERE NOT (video_url = '')"
    )


def validate(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE jobs_videojob VALIDATE CONSTRAINT job_succeeded_has_video"
        )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0027_video_removal")]

    operations = [
        migrations.AlterModelOptions(
            name="videojob",
            options={
                "permissions": [
                    ("refund_videojob", "Can refund a job's tokens"),
                    ("cancel_videojob", "Can cancel a job"),
                    ("retry_videojob", "Can have a job done again"),
                    ("fetch_videojob", "Can fetch a job's video again"),
                    ("fail_videojob", "Can mark a job as failed and refund it"),
                    ("export_videojob", "Can export jobs"),
                    ("resend_videojob", "Can send a job's webhook again"),
                    ("take_down_videojob", "Can take down a job's video"),
                ]
            },
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name="videojob",
                    index=models.Index(
                        fields=["completed_at"],
                        condition=~models.Q(video_url=""),
                        name="job_video_age",
                    ),
                )
            ],
            database_operations=[migrations.RunPython(create, drop)],
        ),
        migrations.RunPython(validate, migrations.RunPython.noop),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
