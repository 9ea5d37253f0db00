"""Search the prompts that the monitor shows.

Each process keeps the newest prompts for some seconds, as viewers see them: what is masked cannot
be found. Whether a job is still public is read at each search: even the number of jobs found must
not tell what is in the prompt of a job that has become private.
"""

from datetime import datetime
from uuid import UUID

from jobs.monitor import public_jobs
from jobs.monitor.cache import get_or_compute

READ = 1_000  # of the active jobs and as many of the others
CACHE_SECONDS = 10
MOST_CHARACTERS = 100


def matching(*, query: str, now: datetime) -> list[UUID]:
    """The ids of the jobs whose prompts contain every word of `query`, the newest first."""
    prompts = get_or_compute("prompts", lambda: _prompts(now), seconds=CACHE_SECONDS)
    words = query.casefold().split()
    found = [id for id, prompt in prompts if all(word in prompt for word in words)]
    return public_jobs.without_hidden(ids=found)


def _prompts(now: datetime) -> list[tuple[UUID, str]]:
    found = public_jobs.prompts(most=READ, now=now)
    return [(id, prompt.casefold()) for id, prompt in found]
