"""New jobs get ids of version 7. The database knows nothing of it, and older ids stay."""

from django.db import migrations, models

import jobs.models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_due_by_next_step")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="videojob",
                    name="id",
                    field=models.UUIDField(
                        default=jobs.models.new_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                )
            ]
        )
    ]
