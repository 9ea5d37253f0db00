from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from jobs import restores

REPORT = """\
The newest line of all jobs' logs is from {newest}. What happened later is not in this database.
{report.held_now} jobs were held now, {report.held} in total: staff run or refund them in the \
admin (video jobs, filter "held").
{report.in_flight} jobs in flight continue: their videos are fetched from the provider.
{report.webhooks} webhook events are due: some of them may be sent a second time.
Workers may submit jobs."""


class Command(BaseCommand):
    help = (
        "Run it after a restore, before the workers start. Holds the jobs that might be submitted "
        "a second time until staff decide, and lets workers submit the others. Can be repeated."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        report = restores.after_restore(now=timezone.now())
        newest = f"{report.newest_event:%Y-%m-%d %H:%M:%S} UTC" if report.newest_event else "never"
        self.stdout.write(REPORT.format(report=report, newest=newest))
