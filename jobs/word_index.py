"""Indexes that find a part of a word in prompts, user names and e-mail addresses.

They need PostgreSQL's extension pg_trgm. Its creation needs the right CREATE on the database; where
that is missing, everything works without the indexes, and `manage.py create_word_indexes` creates
them later.
"""

from django.core.cache import caches
from django.db import Error, connection, transaction

# As Django compares for `icontains`. A job is indexed once, when it has ended. Most have no
# negative prompt: they would lengthen the list of new entries, which each search reads.
INDEXES = {
    "job_prompt_words": (
        "jobs_videojob USING gin (UPPER(prompt) gin_trgm_ops) WHERE next_step_at IS NULL"
    ),
    "job_negative_prompt_words": (
        "jobs_videojob USING gin (UPPER(negative_prompt) gin_trgm_ops) "
        "WHERE next_step_at IS NULL AND negative_prompt <> ''"
    ),
    "user_name_words": "accounts_user USING gin (UPPER(username::text) gin_trgm_ops)",
    "user_email_words": "accounts_user USING gin (UPPER(email::text) gin_trgm_ops)",
}
# How frequent the parts are, for the planner: it reads the newest jobs for a frequent one.
STATISTICS = {
    "job_prompt_words_statistics": "(UPPER(prompt)) FROM jobs_videojob",
    "job_negative_prompt_words_statistics": "(UPPER(negative_prompt)) FROM jobs_videojob",
    "user_name_words_statistics": "(UPPER(username::text)) FROM accounts_user",
    "user_email_words_statistics": "(UPPER(email::text)) FROM accounts_user",
}
VALID = """
    SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname = ANY(%s) AND indisvalid
"""
CACHE_SECONDS = 60


def create() -> str:
    """Create the extension and missing indexes without blocking writers; return why not, or "".

    Not in a transaction. What an interrupted run left is replaced.
    """
    if connection.vendor != "postgresql":
        return "only PostgreSQL has them"
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except Error as error:
        return str(error).strip()
    if missing := _missing():
        with connection.cursor() as cursor:
            for name in missing:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
                cursor.execute(f"CREATE INDEX CONCURRENTLY {name} ON {INDEXES[name]}")
            for name, definition in STATISTICS.items():
                cursor.execute(f"CREATE STATISTICS IF NOT EXISTS {name} ON {definition}")
            cursor.execute("ANALYZE jobs_videojob, accounts_user")
    return ""


def drop() -> None:
    with connection.cursor() as cursor:
        for name in INDEXES:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        for name in STATISTICS:
            cursor.execute(f"DROP STATISTICS IF EXISTS {name}")


def exists() -> bool:
    """Whether words are found by index. A process remembers the answer for a minute."""
    if connection.vendor != "postgresql":
        return False
    missing = caches["local"].get_or_set("missing-word-indexes", _missing, CACHE_SECONDS)
    return not missing


def _missing() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(VALID, [list(INDEXES)])
        valid = {name for (name,) in cursor}
    return [name for name in INDEXES if name not in valid]
