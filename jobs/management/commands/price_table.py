import json
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs import google_prices, pricing


class Command(BaseCommand):
    help = "Prints a VIDEO_PRICES line to start from: Google's prices times a margin, in tokens."
    requires_system_checks = ()  # a table that lacks a new model fails them

    def add_arguments(self, parser: CommandParser) -> None:
        # No usage in errors, and numbers that handle() checks: every error is one line.
        parser.print_usage = lambda file=None: None  # type: ignore[method-assign]
        parser.add_argument("--margin", default="1", help="1.5 is half more than Google's price")
        parser.add_argument(
            "--token-price", default="0.01", help="what you sell a token for, in US dollars"
        )

    def handle(self, *args: Any, margin: str, token_price: str, **options: Any) -> None:
        try:
            table = google_prices.suggest(
                margin=_number("--margin", margin),
                token_price=_number("--token-price", token_price),
                model_ids=settings.VEO_MODEL_IDS,
            )
            pricing.check(table)
        except google_prices.UnknownPrice as error:
            raise CommandError(f"Google's price of {error} is not in google_prices.py") from None
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"# Google's prices of {google_prices.READ_ON} times {margin}, at {token_price} US"
            f" dollars a token, rounded up. Compare them with {google_prices.SOURCE}"
        )
        line = json.dumps(table, separators=(",", ":"))
        self.stdout.write(f"VIDEO_PRICES='{line}'")


def _number(name: str, text: str) -> Decimal:
    """A decimal number above 0. Raises CommandError."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(0)
    if not (number.is_finite() and Decimal("0.000001") <= number <= 1_000_000):
        raise CommandError(f"{name} must be a number above 0, such as 1.5")
    return number
