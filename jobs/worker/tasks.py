"""The tasks that the cluster runs. Each makes one call."""

from django.utils import timezone

from jobs.stats import job_totals
from jobs.worker import cleanup, scheduler, steps
from tokens_ledger import reconciliation


def submit_due() -> None:
    scheduler.restart_ticks(now=timezone.now())
    steps.submit_due()


def store_due() -> None:
    with scheduler.storage_slot("store") as allowed:
        if allowed:
            steps.store_due()


def tick(token: int) -> None:
    if scheduler.take_tick(token=token, now=timezone.now()):
        steps.tick()


def restart_ticks() -> None:
    scheduler.restart_ticks(now=timezone.now())


def purge_expired() -> None:
    cleanup.purge_expired(now=timezone.now())
    job_totals.repair()


def check_ledger() -> None:
    reconciliation.run(now=timezone.now())
