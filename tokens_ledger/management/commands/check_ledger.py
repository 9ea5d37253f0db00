import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Count, Sum

from tokens_ledger import audit
from tokens_ledger.models import Account, Entry


class Command(BaseCommand):
    help = "Checks every account and entry. Prints a line for each finding and exits with 1."

    def handle(self, *args: Any, **options: Any) -> None:
        in_order = True
        for finding in audit.findings():
            in_order = False
            self.stdout.write(finding)
        if not in_order:
            sys.exit(1)
        totals = Entry.objects.aggregate(entries=Count("pk"), sum=Sum("amount", default=0))
        self.stdout.write(
            f"Ledger in order: {Account.objects.count()} accounts, "
            f"{totals['entries']} entries, sum {totals['sum']}."
        )
