"""The two single rows that the workers' clock and the submission limits live in."""

from datetime import UTC, datetime

from django.db import migrations


def add_rows(apps, schema_editor):
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    apps.get_model("jobs", "Tick").objects.create(next_at=long_ago)
    apps.get_model("jobs", "SubmissionGate").objects.create(opens_at=long_ago)


def drop_rows(apps, schema_editor):
    apps.get_model("jobs", "Tick").objects.all().delete()
    apps.get_model("jobs", "SubmissionGate").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_jobs")]
    operations = [migrations.RunPython(add_rows, drop_rows)]
