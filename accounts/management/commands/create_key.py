from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import api_keys, user_names
from accounts.models import ApiKey


class Command(BaseCommand):
    help = "Makes an API key for a user and prints it, alone on a line. It is not shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument("--scope", choices=ApiKey.Scope.values, default=ApiKey.Scope.FULL.value)
        parser.add_argument("--daily-token-limit", type=int, metavar="TOKENS")
        parser.add_argument("--expires-in-days", type=int, metavar="DAYS")

    def handle(
        self,
        *args: Any,
        username: str,
        name: str,
        scope: str,
        daily_token_limit: int | None,
        expires_in_days: int | None,
        **options: Any,
    ) -> None:
        user = user_names.find(username=username)
        if user is None:
            raise CommandError(f"There is no user {username!r}")
        if not 1 <= len(name.strip()) <= ApiKey.NAME_LENGTH:
            raise CommandError(f"--name must have 1 to {ApiKey.NAME_LENGTH} characters")
        for value in (daily_token_limit, expires_in_days):
            if value is not None and not 1 <= value <= 1_000_000_000:
                raise CommandError("A limit or a number of days must be 1 to 1,000,000,000")
        now = timezone.now()
        try:
            _, key = api_keys.create(
                user=user,
                name=name.strip(),
                now=now,
                scope=scope,
                expires_at=now + timedelta(days=expires_in_days) if expires_in_days else None,
                daily_token_limit=daily_token_limit,
            )
        except api_keys.TooManyKeys as error:
            raise CommandError(f"{user} has {api_keys.MAX_KEYS} keys: revoke one first") from error
        except api_keys.OwnerInactive as error:
            raise CommandError(str(error)) from error
        except OverflowError as error:
            raise CommandError("--expires-in-days is too large") from error
        self.stdout.write(key)
