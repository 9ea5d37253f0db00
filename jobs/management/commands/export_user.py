"""Write a user's data into a ZIP file, for the user."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.text import get_valid_filename

from accounts import user_names
from accounts.models import User
from jobs import account_export


class Command(BaseCommand):
    help = (
        "Writes a user's account, jobs, entries, API keys (without the keys) and webhook (without "
        "its secret) into a new ZIP file, as JSON and as CSV."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        # No usage in errors: every error is one line.
        parser.print_usage = lambda file=None: None  # type: ignore[method-assign]
        parser.add_argument("username", help="upper or lower case does not matter")
        parser.add_argument("--output", type=Path, metavar="FILE", help="default: USERNAME.zip")

    def handle(self, *args: Any, username: str, output: Path | None, **options: Any) -> None:
        user = user_names.find(username=username)
        if user is None:
            raise CommandError(f"There is no user {username!r}")
        path = output or Path(get_valid_filename(f"{user}.zip"))
        try:
            self._write(user, path)
        except FileExistsError:
            raise CommandError(f"{path} exists already: choose another --output") from None
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        self.stdout.write(f"Wrote {path}")

    def _write(self, user: User, path: Path) -> None:
        """No other user of the machine can read the file. An incomplete one is deleted."""
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            try:
                account_export.write(user=user, into=file, now=timezone.now())
            except BaseException:
                path.unlink()
                raise
