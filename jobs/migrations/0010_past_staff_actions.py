"""Which user each row of the admin log concerned that is older than the table which notes it.

A deleted job no longer tells whose it was; the ledger's charge for it does. What was done to a job
that cost nothing and was deleted stays without a user.
"""

from uuid import UUID

from django.db import migrations

AT_ONCE = 1_000
MODELS = (("accounts", "user"), ("tokens_ledger", "account"), ("jobs", "videojob"))


def fill(apps, schema_editor):
    """Can be repeated, and runs outside a transaction: each batch is one of its own."""
    StaffAction = apps.get_model("accounts", "StaffAction")
    for label, model in MODELS:
        for batch in batches(apps, label, model):
            entries = {pk: UUID(object_id) for pk, object_id in batch}
            owners = OWNERS[model](apps, set(entries.values()))
            StaffAction.objects.bulk_create(
                (
                    StaffAction(log_entry_id=pk, user_id=owners[id])
                    for pk, id in entries.items()
                    if id in owners
                ),
                ignore_conflicts=True,
            )


def batches(apps, label, model):
    rows = apps.get_model("admin", "LogEntry").objects.filter(
        content_type__app_label=label, content_type__model=model, object_id__isnull=False
    )
    rows = rows.order_by("pk").values_list("pk", "object_id")
    last = 0
    while batch := list(rows.filter(pk__gt=last)[:AT_ONCE]):
        yield batch
        last = batch[-1][0]


def users(apps, ids):
    found = apps.get_model("accounts", "User").objects.filter(pk__in=ids)
    return {id: id for id in found.values_list("pk", flat=True)}


def owners_of_jobs(apps, ids):
    jobs = apps.get_model("jobs", "VideoJob").objects.filter(pk__in=ids)
    owners = dict(jobs.values_list("pk", "user_id"))
    charges = apps.get_model("tokens_ledger", "Entry").objects.filter(
        kind="charge", reference__in=[str(id) for id in ids - owners.keys()]
    )
    paid = charges.values_list("reference", "account_id")
    return owners | {UUID(reference): account for reference, account in paid}


OWNERS = {"user": users, "account": users, "videojob": owners_of_jobs}


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("jobs", "0009_due_by_next_step"),
        ("accounts", "0004_staff_action"),
        ("tokens_ledger", "0006_granted_by_command"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
