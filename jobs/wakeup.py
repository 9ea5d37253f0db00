"""Wake up the workers. The jobs' rows say what is due; a task only makes a worker read them."""

from time import monotonic

from django_q.tasks import async_task

INTERVAL_SECONDS = 0.2  # minimum, between two wake-ups by this process for the same task
last_wake: dict[str, float] = {}  # by task


def wake(task: str) -> None:
    """Make a worker run `jobs.worker.tasks.<task>` soon, after the current transaction commits.

    A process queues only the first of several calls within INTERVAL_SECONDS. The task processes
    all due jobs, and the tick finds the rest within a second. One task for each new job would cost
    the cluster more than the jobs themselves.
    """
    if monotonic() - last_wake.get(task, 0.0) > INTERVAL_SECONDS:
        last_wake[task] = monotonic()
        async_task(f"jobs.worker.tasks.{task}")
