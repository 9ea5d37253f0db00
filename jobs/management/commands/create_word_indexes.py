"""Create the indexes for the search of words, where `migrate` was not allowed to."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs import word_index


class Command(BaseCommand):
    help = "Creates the indexes for the search of words. Writers are not blocked."

    def handle(self, *args: Any, **options: Any) -> None:
        if refusal := word_index.create():
            raise CommandError(f"No word indexes: {refusal}")
        self.stdout.write("The word indexes exist.")
