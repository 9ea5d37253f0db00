from typing import Any

from django.core.checks import Tags
from django.core.management.base import BaseCommand

from jobs.worker import supervisor


class Command(BaseCommand):
    """Takes the place of Django-Q2's command of this name."""

    # Not of the pages: the workers would share 8 MB of them, and touch none.
    requires_system_checks = ["jobs", Tags.models]
    help = "Runs the workers until SIGTERM or Ctrl-C; what dies is started again."

    def handle(self, *args: Any, **options: Any) -> None:
        supervisor.run()
