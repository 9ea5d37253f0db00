"""Search jobs by words of a customer's e-mail: name, address, beginning of an id, words of prompts
and negative prompts.

Each word must match in any field. A word that matches users is searched among these users' jobs
and, separately, in prompts, ids and operations: each of these queries uses an index, which one
query with OR would not. With the word indexes of `jobs.word_index`, all prompts are
searched. Without them (SQLite, or a PostgreSQL without pg_trgm) only the newest READ prompts are.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import reduce
from itertools import combinations
from operator import and_

from django.db.models import Q, QuerySet

from accounts import user_search
from accounts.models import User
from jobs import word_index
from jobs.models import VideoJob

READ = 100_000
# If so many of a sample of the jobs match, the newest ones are found soon without an index. Ids
# are random, so the first ones are a sample.
SAMPLE, COMMON = 500, 10
MOST_USERS = 200  # of a word, whose ids are passed
MOST_USER_WORDS = 3
AROUND = " \t\r\n<>()[]{},;:!?'\"“”„«»`"


def search(jobs: QuerySet[VideoJob], term: str) -> QuerySet[VideoJob]:
    """The jobs of `jobs` that match every word of `term`, each in any field."""
    split = (word.strip(AROUND).rstrip(".") for word in term.split())
    words = list(dict.fromkeys(word for word in split if word))[: user_search.MOST_WORDS]
    if not words:
        return jobs
    oldest = None if word_index.exists() else _oldest_read()
    in_job = {word: _in_job(word, oldest) for word in words}
    of_users = {word: found for word in words if (found := _of_users(word))}
    together = reduce(and_, (in_job[word] | of_users.get(word, Q()) for word in words))
    sample = VideoJob.objects.order_by("pk").values("pk")[:SAMPLE]
    matching = jobs.order_by().filter(together, pk__in=sample)
    if len(of_users) > MOST_USER_WORDS or matching[:COMMON].count() == COMMON:
        return jobs.filter(together)
    first, *more = (
        jobs.order_by().filter(query).values("pk") for query in _queries(in_job, of_users)
    )
    return jobs.filter(pk__in=first.union(*more))


def _oldest_read() -> datetime | None:
    newest_first = VideoJob.objects.order_by("-created_at", "-id")
    return newest_first.values_list("created_at", flat=True)[READ : READ + 1].first()


def _of_users(word: str) -> Q | None:
    """A filter for the jobs of the users that match; None if there are none."""
    users = User.objects.filter(user_search.matching(word)).order_by()
    ids = list(users.values_list("pk", flat=True)[: MOST_USERS + 1])
    if len(ids) > MOST_USERS:
        return user_search.matching(word, prefix="user__")
    return Q(user__in=ids) if ids else None


def _in_job(word: str, oldest: datetime | None) -> Q:
    negative = Q(negative_prompt__icontains=word) & ~Q(negative_prompt="")  # as its index
    prompts = Q(prompt__icontains=word) | negative
    if oldest:
        prompts &= Q(created_at__gte=oldest)
    found = Q(operation=word) | prompts
    if ids := user_search.ids_beginning_with(word):
        found |= Q(pk__range=ids)
    return found


def _queries(in_job: dict[str, Q], of_users: dict[str, Q]) -> Iterator[Q]:
    """Together they find the jobs. Each chooses words that match users; the others are in the job.

    The word index has the ended jobs; active ones are few.
    """
    for number in range(len(of_users) + 1):
        for chosen in combinations(of_users, number):
            words = (of_users[word] if word in chosen else in_job[word] for word in in_job)
            query = reduce(and_, words)
            if chosen:
                yield query
            else:
                yield query & Q(next_step_at=None)
                yield query & Q(next_step_at__isnull=False)
