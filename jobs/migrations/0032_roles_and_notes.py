"""Every role may read the notes about a user; those that may refund may write them."""

from importlib import import_module

from django.db import migrations

roles = import_module("jobs.migrations.0006_roles")
SEE = ("accounts", "usernote", "view_usernote", "Can view user note")
WRITE = ("accounts", "usernote", "write_usernote", "Can write a note about a user")
ADDED = {"Support": [SEE, WRITE], "Operator": [SEE, WRITE], "Finance": [SEE]}


def add(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name, permissions in ADDED.items():
        for group in Group.objects.filter(name=name):  # none, if a superuser deleted the role
            group.permissions.add(*[roles._permission(apps, *each) for each in permissions])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0031_monitor_lists"), ("accounts", "0007_user_note")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
