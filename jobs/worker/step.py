"""One run of a step: claim jobs, make their network calls in a few threads, record the answers.

Threads do HTTP only. Only the step's own thread uses the database, and no transaction is open while
it waits for the network.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, ClassVar

from django.utils import timezone

from jobs.models import VideoJob
from jobs.stats import counters
from jobs.stats.call_metrics import result_of
from jobs.worker import leases, outage
from jobs.worker.shared import state

logger = logging.getLogger(__name__)

RUN_SECONDS = 3.0  # a run claims jobs for this time, then only waits for pending answers
RENEW_SECONDS = 10.0


class Step:
    """One run of a step. Subclasses claim jobs, make the calls and record the answers."""

    name: ClassVar[str]  # the metrics' label
    threads: int
    min_free_threads: int = 1  # a claim with fewer free threads is not worth its cost

    def __init__(self) -> None:
        self.calls: dict[Future, VideoJob] = {}
        self.answers: Counter[str] = Counter()
        self.crash_counts = True

    def claim(self, limit: int) -> Iterable[VideoJob]:
        raise NotImplementedError

    def call(self, job: VideoJob) -> Callable[[], Any]:
        """Read what the call needs from the database; return the call, which a thread makes."""
        raise NotImplementedError

    def record(self, job: VideoJob, answer: Future) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        """Write the results of several answers together, in fewer statements than one each."""

    # ---- The run ----

    def run(self) -> None:
        """Claim while threads are free and time is left; record each answer; renew the leases.

        If the database goes down, answers stay in memory until it is back. A claim that fails ends
        the run, once the answers to the calls that were made are recorded.
        """
        started = renewed = monotonic()
        error: Exception | None = None
        with ThreadPoolExecutor(self.threads) as pool:
            while True:
                if not (error or state.is_stopping) and monotonic() - started < RUN_SECONDS:
                    error = self._claim(pool)
                if not self.calls:
                    break
                self._record_answers()
                if state.is_stopping and self.crash_counts:
                    self._uncount_crash()
                if self.calls and monotonic() - renewed > RENEW_SECONDS:
                    self._renew_leases()
                    renewed = monotonic()
        for code, count in (+self.answers).items():  # mock jobs count 0
            counters.inc(name=counters.ANSWERS, kind=self.name, value=code, count=count)
        if error:
            raise error

    def _claim(self, pool: ThreadPoolExecutor) -> Exception | None:
        free = self.threads - len(self.calls)
        if free < self.min_free_threads:
            return None
        try:
            for job in self.claim(free):
                self.calls[pool.submit(self.call(job))] = job
        except Exception as error:
            return error
        return None

    def _record_answers(self) -> None:
        done, _ = wait(self.calls, timeout=0.25, return_when=FIRST_COMPLETED)
        for answer in done:
            job = self.calls.pop(answer)
            self.answers[result_of(answer.exception())] += not job.mock_mode
            try:
                outage.retry_while_database_is_down(partial(self.record, job, answer))
            except Exception:  # if one answer cannot be recorded, the others must not be lost
                log_unrecorded(job)
        outage.retry_while_database_is_down(self.flush)

    def _uncount_crash(self) -> None:
        with suppress(*outage.DATABASE_DOWN):
            leases.uncount_crash(jobs=list(self.calls.values()))
            self.crash_counts = False

    def _renew_leases(self) -> None:
        with suppress(*outage.DATABASE_DOWN):
            leases.renew(jobs=list(self.calls.values()), now=timezone.now())


def log_unrecorded(job: VideoJob) -> None:
    """Log it. The job's lease will expire, and the next worker continues."""
    logger.exception("an answer was not recorded", extra={"job": str(job.pk)})
