import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from tokens_ledger import audit


class Command(BaseCommand):
    help = "Checks every account and entry. Prints a line for each finding and exits with 1."

    def handle(self, *args: Any, **options: Any) -> None:
        check, findings = audit.run(now=timezone.now())
        for finding in findings:
            self.stdout.write(finding)
        if findings:
            sys.exit(1)
        self.stdout.write(
            f"Ledger in order: {check.accounts} accounts, "
            f"{check.entries} entries, sum {check.tokens}."
        )
