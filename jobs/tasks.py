"""What the cluster runs: the names under which wake-ups are queued, one call each."""

from django.utils import timezone

from jobs import housekeeping, pipeline, queue
from tokens_ledger import audit


def submit_due() -> None:
    queue.revive(now=timezone.now())
    pipeline.submit_due()


def store_due() -> None:
    with queue.one_of_the_few("store") as allowed:
        if allowed:
            pipeline.store_due()


def tick(token: int) -> None:
    if queue.take_tick(token=token, now=timezone.now()):
        pipeline.tick()


def revive() -> None:
    queue.revive(now=timezone.now())


def tidy_up() -> None:
    housekeeping.tidy_up(now=timezone.now())


def check_ledger() -> None:
    audit.run(now=timezone.now())
