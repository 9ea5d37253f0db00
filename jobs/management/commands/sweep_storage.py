"""List the stored videos that belong to no job, and delete them on demand."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from jobs import orphans
from jobs.storage.base import StorageError


class Command(BaseCommand):
    help = (
        "Lists the stored videos older than a day that belong to no job, such as those of jobs "
        "that were deleted without their video."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--delete", action="store_true", help="Delete them too.")

    def handle(self, *args: Any, delete: bool, **options: Any) -> None:
        done = "deleted" if delete else "belongs to no job"
        count = 0
        try:
            for name in orphans.sweep(delete=delete, now=timezone.now()):
                self.stdout.write(f"{name} {done}")
                count += 1
        except StorageError as error:
            raise CommandError(f"The storage failed after {count} videos: {error}") from error
        self.stdout.write(f"{count} videos {'deleted' if delete else 'belong to no job'}.")
