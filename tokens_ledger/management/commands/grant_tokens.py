from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import user_names
from tokens_ledger import ledger


class Command(BaseCommand):
    help = "Grants tokens to a user."

    def add_arguments(self, parser: CommandParser) -> None:
        # No usage in errors, and an amount that handle() checks: every error is one line.
        parser.print_usage = lambda file=None: None  # type: ignore[method-assign]
        parser.add_argument("username", help="upper or lower case does not matter")
        parser.add_argument("amount", help="tokens, a whole number above 0")
        parser.add_argument("--note", default="", help="the reason, shown to the user")

    def handle(self, *args: Any, username: str, amount: str, note: str, **options: Any) -> None:
        is_whole = amount.isascii() and amount.isdecimal() and len(amount) <= 10
        user = user_names.find(username=username)
        if user is None:
            raise CommandError(f"There is no user {username!r}")
        try:
            entry = ledger.grant(user=user, amount=int(amount) if is_whole else 0, note=note)
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Granted {entry.amount} tokens to {user}; the balance is {entry.balance_after}."
        )
