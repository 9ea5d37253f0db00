from typing import Any

from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError

from jobs.worker import staging, supervisor


class Command(BaseCommand):
    """Replaces Django-Q2's command of this name: runs its cluster under a supervisor."""

    # The other checks import the views and pages, which cost each worker 8 MB.
    requires_system_checks = ["jobs", Tags.models]
    help = "Runs the workers until SIGTERM or Ctrl-C, and restarts them when one dies or hangs."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            staging.folder()
        except OSError as error:
            raise CommandError(f"STAGING_DIR: {error}") from error
        supervisor.run()
