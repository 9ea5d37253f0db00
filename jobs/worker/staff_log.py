"""Link rows of Django's admin log to the user concerned, if their writer did not.

Processes of the previous release do not write `StaffAction`, and run until they are restarted. The
migration has linked the older rows.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, Max, OuterRef

from accounts.models import StaffAction, User
from jobs.models import VideoJob
from tokens_ledger.models import Account, Entry

RECENT = 10_000  # the newest ids: a range of the primary key of both tables
BATCH_SIZE = 500


def link_recent() -> None:
    """Add missing StaffActions to the recent rows of the log.

    The owner of a deleted job is found by the ledger's charge. Actions on a deleted free job stay
    unlinked.
    """
    newest = LogEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
    for model, owners in OWNERS.items():
        for batch in _unlinked(model, after=newest - RECENT):
            users = owners(set(batch.values()))
            StaffAction.objects.bulk_create(
                (
                    StaffAction(log_entry_id=pk, user_id=users[id])
                    for pk, id in batch.items()
                    if id in users
                ),
                ignore_conflicts=True,  # another worker may do the same at this moment
            )


def _unlinked(model: Any, *, after: int) -> Iterator[dict[int, UUID]]:
    """The ids of the objects concerned, by the rows' ids."""
    linked = StaffAction.objects.filter(log_entry=OuterRef("pk"), log_entry__gt=after)
    rows = LogEntry.objects.filter(
        ~Exists(linked),
        content_type=ContentType.objects.get_for_model(model),
        object_id__isnull=False,
    )
    ids = rows.order_by("pk").values_list("pk", "object_id")
    while batch := list(ids.filter(pk__gt=after)[:BATCH_SIZE]):
        yield {pk: UUID(object_id) for pk, object_id in batch}
        after = batch[-1][0]


def _existing_users(ids: set[UUID]) -> dict[UUID, UUID]:
    return {id: id for id in User.objects.filter(pk__in=ids).values_list("pk", flat=True)}


def _owners_of_jobs(ids: set[UUID]) -> dict[UUID, UUID]:
    owners = dict(VideoJob.objects.filter(pk__in=ids).values_list("pk", "user_id"))
    deleted = [str(id) for id in ids - owners.keys()]
    charges = Entry.objects.filter(kind=Entry.Kind.CHARGE, reference__in=deleted)
    paid = charges.values_list("reference", "account_id")
    return owners | {UUID(reference): user for reference, user in paid}


# An account's id is its user's.
OWNERS = {User: _existing_users, Account: _existing_users, VideoJob: _owners_of_jobs}
