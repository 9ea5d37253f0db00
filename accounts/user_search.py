"""Find users by a word: part of the user name or e-mail address, or the beginning of the id."""

import re
from uuid import UUID

from django.db.models import Q

MOST_WORDS = 8
PART_OF_ID = re.compile(r"[0-9a-f]{4,32}")


def matching(word: str, *, prefix: str = "") -> Q:
    """A filter for users, or for rows whose user the lookup `prefix` leads to ("user__")."""
    fields: dict[str, object] = {
        f"{prefix}username__icontains": word,
        f"{prefix}email__icontains": word,
    }
    if ids := ids_beginning_with(word):
        fields[f"{prefix}pk__range"] = ids
    return Q(**fields, _connector=Q.OR)


def ids_beginning_with(word: str) -> tuple[UUID, UUID] | None:
    """The first and last UUID that begin with `word`; None if it cannot begin one."""
    part = word.replace("-", "").lower()
    if not PART_OF_ID.fullmatch(part):
        return None
    return UUID(part.ljust(32, "0")), UUID(part.ljust(32, "f"))
