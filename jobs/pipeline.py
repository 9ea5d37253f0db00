"""From a PENDING row to a stored video: bounded passes, each safe to run anywhere and at any time.

A pass claims jobs, makes their network calls in a few threads, and writes each answer down as it
comes. Threads do HTTP only; the database is spoken to by the pass's own thread, and never while a
transaction waits for the network.
"""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from time import monotonic
from typing import cast

from django.core.files.storage import storages
from django.utils import timezone

from jobs import claims, lifecycle, queue, spool, tallies
from jobs.catalog import Order
from jobs.images import Image
from jobs.lifecycle import INTERNAL, Failure
from jobs.models import JobImage, Stage, Status, VideoJob
from jobs.providers import provider_for
from jobs.providers.base import Finished, Inputs, NotConfigured, ProviderError, Running
from jobs.videos import mp4
from jobs.videos.base import StorageError, StoredVideo, VideoStorage
from jobs.videos.mp4 import NotAVideo

logger = logging.getLogger(__name__)

PASS_SECONDS = 3.0  # how long a pass goes on taking jobs; then it only waits for its last answers
SUBMIT_THREADS, POLL_THREADS, STORE_THREADS = 32, 32, 8
# Free threads, to submit: that claim looks at the whole line, however few jobs it takes.
WORTH_A_CLAIM = 8
RENEW_SECONDS = 10.0
MAX_TRIES_UNAVAILABLE = 10  # submissions that the provider answered with "unavailable", about 6 min
MAX_TRIES_NOT_A_VIDEO = 3

UNKNOWN_SUBMISSION = Failure(
    code="provider.unknown_submission",
    message="The connection to Google Veo broke, and nobody knows whether it took the job.",
)
NOT_CONFIGURED = Failure(
    code="provider.not_configured", message="Google Veo is not set up on this server."
)
TOO_LATE = Failure(code="provider.timeout", message="Google Veo did not deliver the video in time.")
DAMAGED = Failure(code="provider.unavailable", message="Google Veo delivered a damaged video.")
NOT_STORED = Failure(code="storage.failed", message="The finished video could not be stored.")

# What a job fails as that is still tried again at its deadline, by the last try's error.
AT_DEADLINE: dict[type[BaseException], Failure] = {
    ProviderError: TOO_LATE,
    NotAVideo: TOO_LATE,
    StorageError: NOT_STORED,
    NotConfigured: NOT_CONFIGURED,
}


def tick() -> None:
    """Once a second: whatever is due."""
    fail_unknown_submissions()
    submit_due()
    poll_due()
    if VideoJob.objects.filter(status=Status.RUNNING, stage=Stage.STORING).due(now=timezone.now())[
        :1
    ]:
        queue.wake("store_due")


def fail_unknown_submissions() -> None:
    """Jobs whose submitter died before the answer: failed and paid back, never sent twice."""
    now = timezone.now()
    failure = replace(UNKNOWN_SUBMISSION, detail="no answer was written down within the lease")
    for job in claims.claim_due(stage=Stage.SUBMITTING, limit=100, now=now):
        lifecycle.fail(job=job, failure=failure, now=now)


def submit_due() -> None:
    """Submit PENDING jobs, as many as the limits allow. Those taken are written down together."""
    taken: dict[VideoJob, str] = {}

    def claim(limit: int) -> list[VideoJob]:
        return claims.claim_pending(limit=limit, now=timezone.now())

    def note_taken() -> None:
        _note_taken(taken)
        taken.clear()

    _work(
        "submit",
        claim,
        _submission,
        partial(_submission_answered, taken=taken),
        and_then=note_taken,
        threads=SUBMIT_THREADS,
        worth_a_claim=WORTH_A_CLAIM,
    )


def poll_due() -> None:
    """Ask after jobs that are generating. Those that still are are written down together."""
    running: list[VideoJob] = []

    def note_running() -> None:
        lifecycle.progressed(jobs=running, now=timezone.now())
        running.clear()

    _work(
        "poll",
        _claim(Stage.GENERATING),
        _polling,
        partial(_poll_answered, running=running),
        and_then=note_running,
        threads=POLL_THREADS,
    )


def store_due() -> None:
    """Store finished videos."""
    _work("store", _claim(Stage.STORING), _storing, _store_answered, threads=STORE_THREADS)


# ---- Submitting ----


def _submission(job: VideoJob) -> Callable[[], str]:
    order, inputs = _order(job), _inputs(job)
    return lambda: provider_for(mock_mode=job.mock_mode).submit(order=order, inputs=inputs)


def _submission_answered(
    job: VideoJob, answer: "Future[str]", *, taken: dict[VideoJob, str]
) -> None:
    now, error = timezone.now(), answer.exception()
    if error is None:
        taken[job] = answer.result()
    elif isinstance(error, NotConfigured):
        _report("a submission", job, error)
        _refused(job, replace(NOT_CONFIGURED, detail=str(error)), now)
    elif not isinstance(error, ProviderError):
        _report("a submission", job, error)
        detail = f"{type(error).__name__}: {error}"
        _refused(job, replace(UNKNOWN_SUBMISSION, detail=detail), now)
    elif error.retryable and (error.throttled or job.attempts + 1 < MAX_TRIES_UNAVAILABLE):
        lifecycle.put_back(job=job, error=error, now=now)
    else:
        _refused(job, Failure.of(error), now)


def _note_taken(taken: dict[VideoJob, str]) -> None:
    """Together; or each by itself, where one of them cannot be written down."""
    if not taken:
        return
    try:
        lifecycle.submitted(taken=taken, now=timezone.now())
    except queue.DATABASE_GONE:
        raise
    except Exception:  # an operation's name that the database does not take, most of all
        if len(taken) == 1:
            _not_noted(*taken)
            return
        for job, operation in taken.items():
            _note_taken({job: operation})


def _not_noted(job: VideoJob) -> None:
    """To the operator's log; the job's lease runs out."""
    logger.exception("an answer was not noted", extra={"job": str(job.pk)})


def _refused(job: VideoJob, failure: Failure, now: datetime) -> None:
    """Staff are told even of a job that ended meanwhile: Google may have taken it, and charge."""
    if not lifecycle.fail(job=job, failure=failure, now=now):
        what = f"Submission failed too late: {failure.code}"
        lifecycle.note_late(job=job, what=what, detail=failure.detail, now=now, raw=True)


def _order(job: VideoJob) -> Order:
    return Order(
        prompt=job.prompt or None,
        model=job.model,
        resolution=job.resolution,
        aspect_ratio=job.aspect_ratio,
        duration_seconds=job.duration_seconds,
        generate_audio=job.generate_audio,
        mock_mode=job.mock_mode,
        initial_image=job.has_initial_image,
        end_frame=job.has_end_frame,
        reference_images=job.reference_image_count,
    )


def _inputs(job: VideoJob) -> Inputs:
    if not job.has_input_images:
        return Inputs()
    by_role: dict[str, list[Image]] = {role: [] for role in JobImage.Role.values}
    for row in job.images.order_by("role", "position"):
        by_role[row.role].append(
            Image(
                content=bytes(row.content),
                mime_type=row.mime_type,
                width=row.width,
                height=row.height,
            )
        )
    return Inputs(
        initial_image=next(iter(by_role[JobImage.Role.INITIAL]), None),
        end_frame=next(iter(by_role[JobImage.Role.END]), None),
        reference_images=by_role[JobImage.Role.REFERENCE],
    )


# ---- Polling ----


def _polling(job: VideoJob) -> Callable[[], Running | Finished]:
    return lambda: _poll(job)


def _poll(job: VideoJob) -> Running | Finished:
    """Ask the provider; a finished video is in the spool, checked, when this returns Finished."""
    unfinished = spool.partial(job.pk)
    try:
        answer = provider_for(mock_mode=job.mock_mode).poll(
            operation=job.operation, into=unfinished
        )
        if isinstance(answer, Finished):
            mp4.check(unfinished)
            unfinished.replace(spool.video(job.pk))
        return answer
    except OSError as error:  # a full disk, most of all
        raise StorageError(str(error), retryable=True) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _poll_answered(
    job: VideoJob, answer: "Future[Running | Finished]", *, running: list[VideoJob]
) -> None:
    now, error = timezone.now(), answer.exception()
    if error:
        _retry_or_fail(job, error, now)
    elif isinstance(answer.result(), Running):
        if _is_too_late(job, now):
            failure = replace(TOO_LATE, detail="still running at the job's deadline")
            lifecycle.fail(job=job, failure=failure, now=now)
        else:
            running.append(job)
    elif not lifecycle.generated(job=job, now=now):
        spool.drop(job.pk)
        lifecycle.note_late(job=job, what="Generated too late", detail=job.operation, now=now)


# ---- Storing ----


def _storing(job: VideoJob) -> Callable[[], StoredVideo]:
    return lambda: _store(job)


def _store(job: VideoJob) -> StoredVideo:
    """Fetch the video anew where the spool lacks it (another machine polled), and store it."""
    path = spool.video(job.pk)
    poster = None
    if not path.exists() or job.mock_mode:
        answer = _poll(job)
        if isinstance(answer, Running):
            raise ProviderError(
                code="provider.unavailable",
                message="Google Veo did not deliver the video.",
                detail="running again after it was done",
                retryable=True,
            )
        poster = answer.poster
    videos = cast(VideoStorage, storages["videos"])
    return videos.upload_video(name=f"ai_studio/videos/{job.pk}", path=path, poster=poster)


def _store_answered(job: VideoJob, answer: "Future[StoredVideo]") -> None:
    now, error = timezone.now(), answer.exception()
    if error:
        _retry_or_fail(job, error, now)
        return
    if not lifecycle.succeed(job=job, video=answer.result(), now=now):
        lifecycle.note_late(job=job, what="Stored too late", detail=job.operation, now=now)
    spool.drop(job.pk)


# ---- What all passes share ----


def _retry_or_fail(job: VideoJob, error: BaseException, now: datetime) -> None:
    """A job that is paid for upstream is given up only where trying again cannot help."""
    if failure := _failure(job, error, now):
        lifecycle.fail(job=job, failure=failure, now=now)
        spool.drop(job.pk)
        return
    _report("a step", job, error)
    lifecycle.step_failed(job=job, error=error, now=now)


def _report(what: str, job: VideoJob, error: BaseException) -> None:
    """To the operator's log: what is neither the provider's fault nor the storage's."""
    extra = {"job": str(job.pk)}
    if isinstance(error, NotConfigured):
        logger.error("a provider is not set up", extra=extra)
    elif type(error) not in AT_DEADLINE:
        logger.error("%s broke", what, exc_info=error, extra=extra)


def _failure(job: VideoJob, error: BaseException, now: datetime) -> Failure | None:
    """What the job fails as, of this error; None where it is to be tried again."""
    detail = str(error)
    if isinstance(error, ProviderError) and not error.retryable:
        return Failure.of(error)
    if isinstance(error, StorageError) and not error.retryable:
        return replace(NOT_STORED, detail=detail)
    if isinstance(error, NotAVideo) and job.attempts + 1 >= MAX_TRIES_NOT_A_VIDEO:
        return replace(DAMAGED, detail=detail)
    if _is_too_late(job, now):
        return replace(AT_DEADLINE.get(type(error), INTERNAL), detail=detail)
    return None


def _is_too_late(job: VideoJob, now: datetime) -> bool:
    """Asked when an answer is in, never before: who was away for long finds what was made."""
    return bool(job.deadline_at and job.deadline_at <= now)


def _claim(stage: Stage) -> Callable[[int], list[VideoJob]]:
    """Claims due jobs at `stage`; those that killed three workers end."""

    def claim(limit: int) -> list[VideoJob]:
        now = timezone.now()
        fit = []
        for job in claims.claim_due(stage=stage, limit=limit, now=now):
            if job.unanswered >= lifecycle.MAX_UNANSWERED:
                detail = f"{job.unanswered} workers ended in the step of {stage}"
                lifecycle.fail(job=job, failure=replace(INTERNAL, detail=detail), now=now)
                spool.drop(job.pk)
            else:
                fit.append(job)
        return fit

    return claim


def _work(
    what: str,
    claim: Callable[[int], list[VideoJob]],
    call_for: Callable[[VideoJob], Callable[[], object]],
    answered: Callable[[VideoJob, Future], None],
    *,
    and_then: Callable[[], None] = lambda: None,
    threads: int,
    worth_a_claim: int = 1,
) -> None:
    """Claim jobs while threads are free and time is left; note each answer, `and_then` what those
    that came together have in common; keep leases alive.

    Where the database is gone, what is on its way is waited for and noted when it is back.
    """
    started = renewed = monotonic()
    answers: Counter[str] = Counter()
    with ThreadPoolExecutor(threads) as pool:
        calls: dict[Future, VideoJob] = {}
        while True:
            in_time = monotonic() - started < PASS_SECONDS and not queue.is_closing()
            free = threads - len(calls)
            if in_time and free >= worth_a_claim:
                patience = suppress(*queue.DATABASE_GONE) if calls else nullcontext()
                with patience:
                    for job in claim(free):
                        calls[pool.submit(call_for(job))] = job
            if not calls:
                break
            done, _ = wait(calls, timeout=0.25, return_when=FIRST_COMPLETED)
            for future in done:
                job = calls.pop(future)
                answers[_outcome(future)] += not job.mock_mode
                try:
                    queue.when_the_database_answers(partial(answered, job, future))
                except Exception:  # the others' are
                    _not_noted(job)
            queue.when_the_database_answers(and_then)
            if calls and monotonic() - renewed > RENEW_SECONDS:
                with suppress(*queue.DATABASE_GONE):
                    claims.renew(jobs=list(calls.values()), now=timezone.now())
                renewed = monotonic()
    for code, count in (+answers).items():  # without those of mock jobs, which are 0
        tallies.add(name=tallies.ANSWERS, kind=what, value=code, count=count)


def _outcome(call: Future) -> str:
    """What an answer counts as: "ok", an HTTP status, or the kind of error."""
    error = call.exception()
    if error is None:
        return "ok"
    return str(getattr(error, "status", None) or type(error).__name__)
