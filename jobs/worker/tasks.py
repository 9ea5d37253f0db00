"""The tasks that the cluster runs. Each makes one call."""

from django.utils import timezone

from jobs.stats import job_totals, periodic
from jobs.worker import cleanup, outage, scheduler, steps
from tokens_ledger import reconciliation


@outage.connected
def submit_due() -> None:
    scheduler.restart_ticks(now=timezone.now())
    steps.submit_due()


@outage.connected
def store_due() -> None:
    with scheduler.storage_slot() as allowed:
        if allowed:
            steps.store_due()


@outage.connected
def tick(token: int) -> None:
    if scheduler.take_tick(token=token, now=timezone.now()):
        with periodic.recorded(periodic.TICK, seldom=True):
            steps.tick()


@outage.connected
def restart_ticks() -> None:
    with periodic.recorded(periodic.REVIVAL):
        scheduler.restart_ticks(now=timezone.now())


@outage.connected
def purge_expired() -> None:
    with periodic.recorded(periodic.HOUSEKEEPING):
        cleanup.purge_expired(now=timezone.now())
        job_totals.repair()


@outage.connected
def check_ledger() -> None:
    with periodic.recorded(periodic.LEDGER_CHECK):
        reconciliation.run(now=timezone.now())
