"""Counts failed logins."""

from typing import Any

from django.contrib.auth.signals import user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from videostudio.core.process_metrics import counter, log_errors

failures = counter("login_failures", "Failed logins", "at")


@receiver(user_login_failed)
@log_errors()
def count(sender: Any, request: HttpRequest | None = None, **_: Any) -> None:
    from videostudio.core.api.errors import is_api  # not in workers, where it costs memory

    failures.labels("api" if request is not None and is_api(request) else "admin").inc()
