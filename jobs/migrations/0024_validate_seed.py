"""Checks the constraint of the seed against the existing rows, while others read and write them."""

from django.db import migrations


def validate(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE jobs_videojob VALIDATE CONSTRAINT job_seed_in_range")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0023_negative_prompt_and_seed")]

    operations = [migrations.RunPython(validate, migrations.RunPython.noop)]
