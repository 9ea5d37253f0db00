from io import StringIO
from typing import Any

import segno
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import two_factor, user_names


class Command(BaseCommand):
    help = "Registers a phone for the second login step. An earlier phone stops working."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = user_names.find(username=username)
        if user is None:
            raise CommandError(f"There is no user {username!r}")
        device = two_factor.new_device(user=user)
        self.stdout.write(f"Scan this with the authenticator app on {user}'s phone:\n")
        code = StringIO()
        segno.make(device.config_url).terminal(out=code, compact=True)
        self.stdout.write(code.getvalue())
        self.stdout.write(f"\nor enter it by hand: {device.config_url}")
