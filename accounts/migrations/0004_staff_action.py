import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_deactivate_permission"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [
        migrations.CreateModel(
            name="StaffAction",
            fields=[
                (
                    "log_entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="staff_action",
                        serialize=False,
                        to="admin.logentry",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="staff_actions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        models.F("user"),
                        models.F("log_entry").desc(),
                        name="staff_action_newest_first",
                    )
                ],
            },
        ),
    ]
