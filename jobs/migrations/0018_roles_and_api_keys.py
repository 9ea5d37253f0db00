"""Every role may see API keys; Support and Operator may revoke them."""

from importlib import import_module

from django.db import migrations

roles = import_module("jobs.migrations.0006_roles")
SEE = ("accounts", "apikey", "view_apikey", "Can view API key")
REVOKE = ("accounts", "apikey", "revoke_apikey", "Can revoke API keys")
ADDED = {"Support": [SEE, REVOKE], "Operator": [SEE, REVOKE], "Finance": [SEE]}


def add(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name, permissions in ADDED.items():
        for group in Group.objects.filter(name=name):  # none, if a superuser deleted the role
            group.permissions.add(*[roles._permission(apps, *each) for each in permissions])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0017_api_key_of_job"), ("accounts", "0005_api_key")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
