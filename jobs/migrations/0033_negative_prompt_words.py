"""Indexes for the search of words, in negative prompts too.

Those that 0019_lists_of_staff made before are kept. On PostgreSQL they are made CONCURRENTLY. Where
it refuses to install pg_trgm, they are left out; `manage.py create_word_indexes` creates them later.
"""

import logging

from django.db import migrations

from jobs import word_index

logger = logging.getLogger(__name__)


def create_word_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql" and (refusal := word_index.create()):
        logger.warning("no word indexes: %s", refusal)


def drop_word_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        word_index.drop()


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0032_roles_and_notes")]

    operations = [migrations.RunPython(create_word_indexes, drop_word_indexes)]
