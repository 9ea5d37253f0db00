from typing import Any

from django.core.checks import Tags
from django.core.management.base import BaseCommand

from jobs.worker import supervisor


class Command(BaseCommand):
    """Overrides Django-Q2's command of this name."""

    # No checks of the pages: they would load 8 MB that the workers never use.
    requires_system_checks = ["jobs", Tags.models]
    help = "Runs the workers until SIGTERM or Ctrl-C, and restarts them after a crash."

    def handle(self, *args: Any, **options: Any) -> None:
        supervisor.run()
