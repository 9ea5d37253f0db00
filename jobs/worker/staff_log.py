"""Links rows of Django's admin log to the user concerned, where their writer did not do it.

Processes of the previous release do not know `StaffAction`. They run until they are restarted,
after the migration that linked the rows of the past.
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

RECENT = 10_000  # ids, the newest ones; a range of the primary key of both tables
BATCH_SIZE = 500


def link_recent() -> None:
    """Add the StaffAction that a recent row of the log lacks.

    A deleted job does not show its owner, but the ledger's charge for it does. An action on a free
    job that was deleted is not linked.
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
                ignore_conflicts=True,  # another worker may do the same
            )


def _unlinked(model: Any, *, after: int) -> Iterator[dict[int, UUID]]:
    """Ids of the objects that the rows concern, by the rows' ids."""
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


# An account has the id of its user.
OWNERS = {User: _existing_users, Account: _existing_users, VideoJob: _owners_of_jobs}
