import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize
from django.utils import timezone

from tokens_ledger import reconciliation


class Command(BaseCommand):
    help = (
        "Checks every account and entry. Prints a line for each finding and exits with 1, or with "
        "2 if its time limit stopped the check."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        check, findings = reconciliation.run(now=timezone.now())
        for finding in findings:
            self.stdout.write(finding)
        if not check.completed:
            raise CommandError(
                f"The check was not completed: it was stopped after {check.seconds:.0f} seconds.",
                returncode=2,
            )
        if findings:
            sys.exit(1)
        self.stdout.write(
            f"Ledger in order: {check.accounts} account{pluralize(check.accounts)}, "
            f"{check.entries} entries, sum {check.tokens}."
        )
