"""The life of a job: the only package that changes a job's status, and its charge with it.

Every change is a compare-and-set on the row, in one short transaction with its event and its
refund. If the update matches no row, another process was first: the functions for workers then
change nothing and return False. No network call is made here.
"""

from jobs.lifecycle.holds import NotHeld, hold_unsubmitted, run_held
from jobs.lifecycle.requests import (
    AlreadyFinished,
    cancel,
    create,
    create_generating,
    delete,
    force_fail,
    set_private,
)
from jobs.lifecycle.steps import (
    fail,
    generated,
    progressed,
    requeue,
    start,
    step_failed,
    submitted,
    succeed,
)
