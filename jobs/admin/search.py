"""Search jobs by words of a customer's e-mail: name, address, part of an id, words of the prompt.

Ids and users are found by index. Prompts have no word index, because SQLite and PostgreSQL share no
kind of one: the search reads the prompts of the newest jobs.
"""

import re
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import User
from jobs.models import VideoJob

READ = 100_000  # the newest jobs, whose prompts are searched
MOST_WORDS = 8
AROUND = " \t\r\n<>()[]{},;:!?'\"“”„«»`"
PART_OF_ID = re.compile(r"[0-9a-f]{4,32}")


def search(jobs: QuerySet[VideoJob], term: str) -> QuerySet[VideoJob]:
    """The jobs of `jobs` that match every word of `term`, each in any field."""
    words = [word for each in term.split() if (word := each.strip(AROUND).rstrip("."))]
    if not words:
        return jobs
    oldest = _oldest_read()
    for word in words[:MOST_WORDS]:
        jobs = jobs.filter(_found(word, oldest))
    return jobs


def _found(word: str, oldest: datetime | None) -> Q:
    part = word.replace("-", "").lower()
    if len(part) == 32 and PART_OF_ID.fullmatch(part):
        return Q(pk=UUID(part)) | Q(user=UUID(part))
    users = Q(username__icontains=word) | Q(email__icontains=word)
    found = Q(operation=word)
    prompt = Q(prompt__icontains=word)
    if PART_OF_ID.fullmatch(part):
        first, last = UUID(part.ljust(32, "0")), UUID(part.ljust(32, "f"))
        found |= Q(pk__range=(first, last))
        users |= Q(pk__range=(first, last))
        prompt |= Q(pk__icontains=word)
    if oldest:
        prompt &= Q(created_at__gte=oldest)
    return found | prompt | Q(user__in=User.objects.filter(users).values("pk"))


def _oldest_read() -> datetime | None:
    newest_first = VideoJob.objects.order_by("-created_at", "-id")
    return newest_first.values_list("created_at", flat=True)[READ : READ + 1].first()
