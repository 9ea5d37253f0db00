"""What staff did to one user, the user's account and the user's jobs, newest first.

Actions in the admin are rows of Django's admin log. An app that records actions elsewhere adds a
Source to `sources`.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.utils.text import capfirst

from accounts.models import StaffAction, User

MOST = 5_000  # the newest actions on one user; older ones are neither counted nor shown


@dataclass(frozen=True)
class Action:
    """`what` includes the reason. `url` is the page of `target`; "" if that was deleted."""

    at: datetime
    actor: str
    what: str
    target: str
    url: str


@dataclass(frozen=True)
class Source:
    """A table with actions. `rows` returns a user's rows, newest first; `at` returns a row's time;
    `read` converts rows to actions.
    """

    permission: str
    rows: Callable[[User], QuerySet[Any]]
    at: Callable[[Any], datetime]
    read: Callable[[list[Any]], Iterable[Action]]


class StaffActions:
    """The actions on `user` that `viewer` may see, as a sequence for a paginator.

    For a page that ends at row n, it reads at most n rows of each source.
    """

    def __init__(self, *, user: User, viewer: Any) -> None:
        self.found = [
            (source, source.rows(user)) for source in sources if viewer.has_perm(source.permission)
        ]

    def __len__(self) -> int:
        return min(MOST, sum(rows.order_by()[:MOST].count() for _, rows in self.found))

    def __getitem__(self, part: slice) -> list[Action]:
        each = [
            [(source.at(row), source, row) for row in rows[: min(part.stop, MOST)]]
            for source, rows in self.found
        ]
        newest = heapq.merge(*each, key=lambda row: row[0], reverse=True)
        page = list(islice(newest, part.start, part.stop))
        actions = [
            action
            for source, _ in self.found
            for action in source.read([row for _, its, row in page if its is source])
        ]
        return sorted(actions, key=lambda action: action.at, reverse=True)


# ---- Django's log ----


def _logged(user: User) -> QuerySet[Any]:
    """The user's rows, found by an index that starts with the user, newest first.

    The range condition forces that index. With `user=user`, or a join with the log, PostgreSQL may
    scan the rows of all users by primary key, because it expects to find this user's rows soon.
    """
    rows = StaffAction.objects.filter(user__gte=user, user__lte=user)
    newest_first = rows.order_by("user_id", "-log_entry_id")
    return newest_first.prefetch_related("log_entry__user")


def _read(rows: list[StaffAction]) -> Iterator[Action]:
    entries = [row.log_entry for row in rows]
    for entry in entries:
        if entry.content_type_id:  # Django caches content types in each process
            entry.content_type = ContentType.objects.get_for_id(entry.content_type_id)
    existing = set(_existing(entries))
    for entry in entries:
        kind = capfirst(entry.content_type.name) if entry.content_type else ""
        exists = (entry.content_type_id, entry.object_id) in existing
        yield Action(
            at=entry.action_time,
            actor=entry.user.get_username(),
            what=entry.get_change_message(),
            target=f"{kind} {entry.object_repr}".strip(),
            url=entry.get_admin_url() or "" if exists else "",
        )


def _existing(entries: list[LogEntry]) -> Iterator[tuple[int | None, str | None]]:
    """Content type and id of each object that still exists; one query for each type."""
    by_type = defaultdict(list)
    for entry in entries:
        if entry.content_type:
            by_type[entry.content_type].append(entry.object_id)
    for kind, ids in by_type.items():
        model = kind.model_class()
        if model is not None:
            found = model._default_manager.filter(pk__in=ids)
            yield from ((kind.pk, str(pk)) for pk in found.values_list("pk", flat=True))


sources = [
    Source(
        permission="admin.view_logentry",
        rows=_logged,
        at=lambda row: row.log_entry.action_time,
        read=_read,
    )
]
