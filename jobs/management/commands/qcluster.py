from typing import Any

from django.core.management.base import BaseCommand

from jobs.cluster import Supervisor


class Command(BaseCommand):
    """Takes the place of Django-Q2's command of this name."""

    help = "Runs the workers until SIGTERM or Ctrl-C; what dies is started again."

    def handle(self, *args: Any, **options: Any) -> None:
        Supervisor().run()
