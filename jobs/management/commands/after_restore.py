from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from jobs import restores

REPORT = """\
The newest line in a job's log is of {newest}. What happened later is not in this database.
{report.held_now} jobs are held now, {report.held} in all: staff run or refund them in the admin \
(video jobs, filter "held").
{report.in_flight} jobs in flight continue: their videos are fetched from the provider.
{report.webhooks} webhook events are due: those that were sent before are sent again.
Workers may submit jobs."""


class Command(BaseCommand):
    help = (
        "After a restore, before the workers start: holds the jobs that Google might be asked for "
        "a second time until staff decide, and lets workers submit the others. Can be repeated."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        report = restores.after_restore(now=timezone.now())
        newest = f"{report.newest_event:%Y-%m-%d %H:%M:%S} UTC" if report.newest_event else "never"
        self.stdout.write(REPORT.format(report=report, newest=newest))
