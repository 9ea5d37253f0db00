"""Operators may run jobs that are held after a restore, which workers notice by the new column."""

from importlib import import_module

from django.db import migrations, models

roles = import_module("jobs.migrations.0006_roles")
RUN = ("jobs", "videojob", "run_videojob", "Can run a held job")


def add(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for group in Group.objects.filter(name="Operator"):  # none, if a superuser deleted the role
        group.permissions.add(roles._permission(apps, *RUN))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0033_negative_prompt_words")]

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
                    ("run_videojob", "Can run a held job"),
                ]
            },
        ),
        migrations.AddField(
            model_name="submissiongate",
            name="database",
            field=models.CharField(
                db_default="",
                default="",
                help_text="Numbers of the server and this table. Others mean a restored database.",
                max_length=32,
            ),
        ),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
