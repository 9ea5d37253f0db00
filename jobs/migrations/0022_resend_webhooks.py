"""Support and Operator may send the webhook of a job again."""

from importlib import import_module

from django.db import migrations

roles = import_module("jobs.migrations.0006_roles")
RESEND = ("jobs", "videojob", "resend_videojob", "Can send a job's webhook again")


def add(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for group in Group.objects.filter(name__in=("Support", "Operator")):
        group.permissions.add(roles._permission(apps, *RESEND))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0021_webhooks")]

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
                ]
            },
        ),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
