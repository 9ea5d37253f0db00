from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from jobs.webhooks import registry


class Command(BaseCommand):
    help = "Encrypts the webhooks' secrets under SECRET_KEY, instead of a key of its fallbacks."

    def handle(self, *args: Any, **options: Any) -> None:
        done, unreadable = registry.reencrypt_all(now=timezone.now())
        self.stdout.write(f"{done} webhooks have their secrets encrypted under SECRET_KEY.")
        if unreadable:
            raise CommandError(
                f"{unreadable} cannot be read: add their key to SECRET_KEY_FALLBACKS and repeat, "
                "or their users must rotate the secret."
            )
