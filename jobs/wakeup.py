"""Wake-ups for the workers: a job's row says what is due, a task only has somebody look."""

from time import monotonic

from django_q.tasks import async_task

INTERVAL_SECONDS = 0.2  # at least, between two wake-ups by this process for the same task
last_wake: dict[str, float] = {}  # by task; of this process


def wake(task: str) -> None:
    """Have a worker run `jobs.worker.tasks.<task>` soon; in a transaction, once it is committed.

    Of several calls within INTERVAL_SECONDS, a process queues only the first. The task takes
    whatever is due, and the tick finds the rest within a second. One task for each of many orders
    would cost the cluster more than the orders themselves.
    """
    if monotonic() - last_wake.get(task, 0.0) > INTERVAL_SECONDS:
        last_wake[task] = monotonic()
        async_task(f"jobs.worker.tasks.{task}")
