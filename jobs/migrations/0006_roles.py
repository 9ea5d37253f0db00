"""The three roles of the staff, as groups; docs/staff.md says who may do what.

Django makes permissions after all migrations, so those that are missing are made here, under the
names that it would give them.
"""

from django.db import migrations

LOOK = [
    ("accounts", "user", "view_user", "Can view user"),
    ("admin", "logentry", "view_logentry", "Can view log entry"),
    ("jobs", "jobevent", "view_jobevent", "Can view job event"),
    ("jobs", "jobimage", "view_jobimage", "Can view job image"),
    ("jobs", "videojob", "view_videojob", "Can view video job"),
    ("tokens_ledger", "account", "view_account", "Can view account"),
    ("tokens_ledger", "entry", "view_entry", "Can view entry"),
    ("tokens_ledger", "ledgercheck", "view_ledgercheck", "Can view ledger check"),
]
SUPPORT = [
    *LOOK,
    ("jobs", "videojob", "refund_videojob", "Can refund a job's tokens"),
    ("jobs", "videojob", "cancel_videojob", "Can cancel a job"),
]
OPERATOR = [
    *SUPPORT,
    ("jobs", "videojob", "retry_videojob", "Can have a job done again"),
    ("jobs", "videojob", "fetch_videojob", "Can fetch a job's video again"),
    ("jobs", "videojob", "fail_videojob", "Can mark a job as failed and refund it"),
    (
        *("tokens_ledger", "entry", "refund_without_limit"),
        "Can refund more than the daily limit",
    ),
    ("accounts", "user", "deactivate_user", "Can deactivate and reactivate users"),
]
FINANCE = [
    *LOOK,
    ("tokens_ledger", "account", "grant_tokens", "Can grant tokens"),
    ("tokens_ledger", "account", "adjust_tokens", "Can adjust balances"),
    ("tokens_ledger", "entry", "export_entry", "Can export entries"),
    ("jobs", "videojob", "export_videojob", "Can export jobs"),
]
ROLES = {"Support": SUPPORT, "Operator": OPERATOR, "Finance": FINANCE}


def make_roles(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name, permissions in ROLES.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*[_permission(apps, *each) for each in permissions])


def _permission(apps, app_label, model, codename, name):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    of, _ = ContentType.objects.get_or_create(app_label=app_label, model=model)
    made, _ = Permission.objects.get_or_create(
        content_type=of, codename=codename, defaults={"name": name}
    )
    return made


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_staff"),
        ("tokens_ledger", "0003_staff"),
        ("accounts", "0003_deactivate_permission"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
