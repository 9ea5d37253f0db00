"""The steps of a job in the workers: submit, poll, store. Any worker may run any of them."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import cast

from django.conf import settings
from django.utils import timezone

from jobs import (
    events,
    lifecycle,
    messages,
    model_availability,
    removals,
    restores,
    stored_images,
    wakeup,
)
from jobs.failures import INTERNAL, Failure
from jobs.models import Stage, Status, VideoJob
from jobs.providers import provider_for
from jobs.providers.base import Finished, ProviderError, Running
from jobs.stats import call_metrics, waiting_line
from jobs.storage import mp4, videos
from jobs.storage.base import StorageError, StoredVideo, video_name
from jobs.worker import leases, outage, staging, step_failures, webhooks
from jobs.worker import removals as removed_videos
from jobs.worker.step import Step, log_unrecorded
from jobs.worker.step_failures import TOO_LATE, UNKNOWN_SUBMISSION, is_too_late

MAX_CRASHES = 3  # a job fails after its step has killed this many workers


def tick() -> None:
    """Run the steps that are due; called once a second."""
    webhooks.deliver_due()
    removed_videos.start_due()
    fail_unknown_submissions()
    waiting_line.number(now=timezone.now())
    submit_due()
    poll_due()
    due = VideoJob.objects.filter(status=Status.RUNNING, stage=Stage.STORING).due(
        now=timezone.now()
    )
    if due[:1]:
        wakeup.wake("store_due")


def fail_unknown_submissions() -> None:
    """Fail and refund jobs whose worker died before the provider's answer was recorded.

    They are never submitted a second time: the provider may have accepted the first. Their lease is
    extended once, because a worker that waited for the database may still record the answer. In a
    restored database staff decide about them.
    """
    if restores.is_unconfirmed():
        return
    now = timezone.now()
    failure = replace(UNKNOWN_SUBMISSION, detail="no answer was recorded within the lease")
    for job in leases.claim_due(stage=Stage.SUBMITTING, limit=100, now=now):
        if job.crash_count:
            lifecycle.fail(job=job, failure=failure, now=now)


def submit_due() -> None:
    SubmitStep().run()


def poll_due() -> None:
    PollStep().run()


def store_due() -> None:
    StoreStep().run()


class SubmitStep(Step):
    """Submits PENDING jobs, as many as the limits allow."""

    name = "submit"

    def __init__(self) -> None:
        super().__init__()
        self.threads = settings.VEO_OPEN_SUBMISSIONS
        # A claim reads the front of the waiting line, even to start one job.
        self.min_free_threads = max(1, self.threads // 4)
        self.accepted: dict[VideoJob, str] = {}

    def claim(self, limit: int) -> list[VideoJob]:
        if staging.is_filling():
            leases.hold(reason=messages.STAGING_FULL, now=timezone.now())
            return []
        _fail_jobs_without_model()
        return leases.claim_pending(limit=limit, now=timezone.now())

    def call(self, job: VideoJob) -> Callable[[], str]:
        spec, inputs = job.spec, stored_images.read(job=job)
        labels = {"job": str(job.pk), "user": str(job.user_id)}

        def submit() -> str:
            with _observed("submit", job):
                provider = provider_for(mock_mode=job.mock_mode)
                return provider.submit(spec=spec, inputs=inputs, labels=labels)

        return submit

    def record(self, job: VideoJob, answer: "Future[str]") -> None:
        now, error = timezone.now(), answer.exception()
        if error is None:
            self.accepted[job] = answer.result()
            return
        step_failures.report("a submission", job, error)
        if isinstance(error, ProviderError) and error.missing_model:
            # Before a client reads that the job failed.
            model_availability.close(google_id=error.missing_model, cause=error.detail, now=now)
        if failure := step_failures.of_submission(job, error):
            _fail_submission(job, failure)
        else:
            lifecycle.requeue(job=job, error=cast(ProviderError, error), now=now)

    def flush(self) -> None:
        _record_accepted(self.accepted)
        self.accepted.clear()


class PollStep(Step):
    """Polls the provider for jobs that are generating; stages the finished videos."""

    name = "poll"
    threads = 32

    def __init__(self) -> None:
        super().__init__()
        self.still_running: list[VideoJob] = []

    def claim(self, limit: int) -> list[VideoJob]:
        return _claim_due(Stage.GENERATING, limit)

    def call(self, job: VideoJob) -> Callable[[], Running | Finished]:
        return lambda: _poll(job)

    def record(self, job: VideoJob, answer: "Future[Running | Finished]") -> None:
        now, error = timezone.now(), answer.exception()
        made = isinstance(error, StorageError)  # the video is made, but this disk cannot hold it
        if error and not made:
            _retry_or_fail(job, error)
        elif made or isinstance(answer.result(), Finished):
            if not lifecycle.generated(job=job, now=now):
                _drop_late_video(job)
        elif is_too_late(job, now):
            failure = replace(TOO_LATE, detail="still running at the job's deadline")
            lifecycle.fail(job=job, failure=failure, now=now)
        else:
            self.still_running.append(job)

    def flush(self) -> None:
        lifecycle.progressed(jobs=self.still_running, now=timezone.now())
        self.still_running.clear()


class StoreStep(Step):
    """Stores finished videos."""

    name = "store"

    def __init__(self) -> None:
        super().__init__()
        self.threads = settings.STORE_THREADS

    def claim(self, limit: int) -> list[VideoJob]:
        return _claim_due(Stage.STORING, limit)

    def call(self, job: VideoJob) -> Callable[[], StoredVideo]:
        return lambda: _store(job)

    def record(self, job: VideoJob, answer: "Future[StoredVideo]") -> None:
        now, error = timezone.now(), answer.exception()
        if error:
            _retry_or_fail(job, error)
            return
        if not lifecycle.succeed(job=job, video=answer.result(), now=now):
            removals.stored_too_late(job=job, now=now)
            events.add_late_answer(job=job, what="Stored too late", detail=job.operation, now=now)
        staging.delete(job.pk)


def _observed(call: str, job: VideoJob) -> AbstractContextManager[None]:
    """For the metrics of calls to Google."""
    return nullcontext() if job.mock_mode else call_metrics.google(call, model=job.model)


# ---- Submitting ----


def _record_accepted(accepted: dict[VideoJob, str]) -> None:
    """Record all in one transaction. If that fails, record each in its own transaction."""
    if not accepted:
        return
    try:
        lifecycle.submitted(accepted=accepted, now=timezone.now())
        model_availability.reopen(accepted=accepted)
    except outage.DATABASE_DOWN:
        raise
    except Exception:  # for example, the database refuses an operation's name
        if len(accepted) == 1:
            log_unrecorded(*accepted)
            return
        for job, operation in accepted.items():
            _record_accepted({job: operation})


def _fail_jobs_without_model() -> None:
    """Fail waiting jobs whose model Google no longer has, without a call for each of them.

    Looks at the front of the line only: each job reaches it before it could start.
    """
    missing = model_availability.unavailable()
    if not missing:
        return
    now = timezone.now()
    front = VideoJob.objects.in_bulk([job.pk for job in waiting_line.front(now=now)])
    for job in front.values():
        for row in missing:
            if model_availability.is_lost(job=job, row=row):
                lifecycle.fail(job=job, failure=step_failures.of_missing_model(row), now=now)


def _fail_submission(job: VideoJob, failure: Failure) -> None:
    """Fail the job. If it has already ended, note the error for staff: Google may charge for it."""
    now = timezone.now()
    if not lifecycle.fail(job=job, failure=failure, now=now):
        what = f"Submission failed too late: {failure.code}"
        events.add_late_answer(job=job, what=what, detail=failure.detail, now=now, raw=True)


# ---- Polling and storing ----


def _claim_due(stage: Stage, limit: int) -> list[VideoJob]:
    """Claim due jobs at `stage`. Fail those whose step has killed MAX_CRASHES workers."""
    now, claimed = timezone.now(), []
    for job in leases.claim_due(stage=stage, limit=limit, now=now):
        if job.crash_count < MAX_CRASHES:
            claimed.append(job)
            continue
        detail = f"{job.crash_count} workers died in the step of {stage}"
        lifecycle.fail(job=job, failure=replace(INTERNAL, detail=detail), now=now)
        staging.delete(job.pk)
    return claimed


def _poll(job: VideoJob) -> Running | Finished:
    """Poll the provider. If this returns Finished, the video has been checked and staged."""
    partial = staging.partial_path(job.pk)
    try:
        with _observed("poll", job):
            provider = provider_for(mock_mode=job.mock_mode)
            answer = provider.poll(operation=job.operation, into=partial)
        if isinstance(answer, Finished):
            mp4.check(partial)
            staging.keep(job.pk)
        return answer
    except OSError as error:  # for example, a full disk
        raise StorageError.of(error) from error
    finally:
        with suppress(OSError):  # a read-only file system must not hide the error above
            partial.unlink()


def _drop_late_video(job: VideoJob) -> None:
    """Delete the staged video and tell staff, unless the job is being stored: then another worker
    polled it too, or the answer to this worker's own commit was lost.
    """
    if VideoJob.objects.filter(pk=job.pk, stage=Stage.STORING).exists():
        return
    staging.delete(job.pk)
    what, now = "Generated too late", timezone.now()
    events.add_late_answer(job=job, what=what, detail=job.operation, now=now)


def _store(job: VideoJob) -> StoredVideo:
    """Store the video; poll for it again if it is not on this machine (another one polled it)."""
    poster = None
    if job.mock_mode or not staging.has_video(job.pk):
        answer = _poll(job)
        if isinstance(answer, Running):
            raise ProviderError(
                code="provider.unavailable",
                message="Google Veo did not deliver the video.",
                detail="running again after it was done",
                retryable=True,
            )
        poster = answer.poster
    path = staging.video_path(job.pk)
    with call_metrics.storage("upload"):
        return videos().upload_video(name=video_name(job.pk), path=path, poster=poster)


def _retry_or_fail(job: VideoJob, error: BaseException) -> None:
    """The provider charges for the video, so fail the job only if a retry cannot help."""
    now = timezone.now()
    if failure := step_failures.of_paid_step(job, error, now):
        lifecycle.fail(job=job, failure=failure, now=now)
        staging.delete(job.pk)
        return
    step_failures.report("a step", job, error)
    lifecycle.step_failed(job=job, error=error, now=now)
