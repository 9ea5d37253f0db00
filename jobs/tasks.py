"""The task names of the previous release, whose processes may still queue tasks with them."""

from jobs.worker.tasks import check_ledger, store_due, submit_due, tick
from jobs.worker.tasks import purge_expired as tidy_up
from jobs.worker.tasks import restart_ticks as revive

__all__ = ["check_ledger", "revive", "store_due", "submit_due", "tick", "tidy_up"]
