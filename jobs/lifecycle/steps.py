"""Status changes by workers: start a job, record answers of provider and storage, end it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

from jobs import events, messages, refunds, transitions, turns, wakeup
from jobs.failures import Failure
from jobs.models import JobEvent, Stage, Status, SubmissionGate, VideoJob
from jobs.providers.base import ProviderError
from jobs.stats import counters, estimates, job_totals
from jobs.storage.base import StoredVideo
from jobs.timing import FAILURES_TO_MAX, back_off, max_back_off, poll_period
from jobs.webhooks import outbox


def start(*, jobs: Sequence[VideoJob], lease: timedelta, now: datetime) -> None:
    """Move PENDING jobs, whose rows the caller has locked, to RUNNING/`submitting`.

    They are leased to the caller for `lease`. Only a job's first start is written to its log.
    """
    VideoJob.objects.filter(pk__in=[job.pk for job in jobs], status=Status.PENDING).update(
        status=Status.RUNNING,
        stage=Stage.SUBMITTING,
        status_message=messages.STARTING,
        started_at=now,
        next_step_at=now + lease,
        version=F("version") + 1,
    )
    for job in jobs:
        job.status, job.stage, job.started_at = Status.RUNNING, Stage.SUBMITTING, now
        if job.failure_count == 0:
            transitions.observe_since_order(counters.WAIT, job, now)
    JobEvent.objects.bulk_create(
        JobEvent(job=job, message=message, created_at=now)
        for job in jobs
        for message in (messages.STARTED, messages.CALLING)
        if job.failure_count == 0
    )
    turns.served(jobs=jobs, now=now)


def submitted(*, accepted: Mapping[VideoJob, str], now: datetime) -> list[VideoJob]:
    """Record in one transaction that the provider accepted these jobs, each with its operation.

    Returns the jobs that are now GENERATING. For a job that has ended meanwhile, the answer is
    recorded as a late one.
    """
    moved: list[VideoJob] = []
    deadline = now + timedelta(seconds=settings.VIDEO_JOB_DEADLINE_SECONDS)
    with transaction.atomic():
        for job, operation in accepted.items():
            if transitions.move(
                job,
                Stage.SUBMITTING,
                stage=Stage.GENERATING,
                operation=operation,
                submitted_at=now,
                deadline_at=deadline,
                next_step_at=now + poll_period(job),
                status_message=messages.GENERATING,
                progress_percentage=estimates.SUBMITTED,
                failure_count=0,
            ):
                moved.append(job)
        JobEvent.objects.bulk_create(
            JobEvent(job_id=job.pk, message=messages.SUBMITTED, created_at=now) for job in moved
        )
        for job in moved:
            events.log_after_commit(job, "submitted")
    for job in accepted.keys() - moved:
        if VideoJob.objects.filter(pk=job.pk, operation=accepted[job]).exists():
            moved.append(job)  # a commit succeeded, but its answer was lost
        else:
            events.add_late_answer(
                job=job, what=events.ACCEPTED_LATE, detail=accepted[job], now=now
            )
    return moved


def requeue(*, job: VideoJob, error: ProviderError, now: datetime) -> bool:
    """Return a job to PENDING: the provider accepted nothing and asked to retry later.

    Returns False if another worker has started the job since: this worker waited for the database
    after a commit whose answer was lost.
    """
    delay = timedelta(seconds=error.retry_after or back_off(job))
    failure_count = job.failure_count + 1
    if error.throttled:  # the provider is up, so this must not count towards failing the job
        failure_count = min(failure_count, FAILURES_TO_MAX)
    with transaction.atomic():
        if error.throttled:
            SubmissionGate.objects.filter(opens_at__lt=now + delay).update(opens_at=now + delay)
        if error.status:
            _count_refused(now)
        moved = transitions.move(
            job,
            Stage.SUBMITTING,
            Q(started_at=job.started_at),
            status=Status.PENDING,
            stage="",
            started_at=None,
            next_step_at=now + delay,
            status_message="Google Veo is busy. The job waits and starts automatically.",
            failure_count=failure_count,
        )
        if moved:
            turns.give_back(job=job)
        if moved and job.failure_count == 0:
            events.add(
                job, "⏳ Google Veo is busy, trying again later", now, JobEvent.Level.WARNING
            )
            events.add_internal(job, "Submission postponed", now, error.detail)
    return moved


def _count_refused(now: datetime) -> None:
    """The provider got the submission, so it counts towards VEO_CREATES_PER_MINUTE, although the
    job's row no longer shows its start.
    """
    gate = SubmissionGate.objects.select_for_update().get()
    gate.refused = [*gate.refused_lately(now=now), now.timestamp()]
    gate.save(update_fields=["refused"])


def progressed(*, jobs: Iterable[VideoJob], now: datetime) -> int:
    """Update jobs that the provider is still making; return how many were still GENERATING.

    Progress never decreases, even if answers are recorded out of order. Jobs with equal changes
    (usually those that started together) are updated by one statement.
    """
    groups = defaultdict(list)
    for job in jobs:
        progress = max(job.progress_percentage, estimates.progress(job=job, now=now))
        visible = int(progress != job.progress_percentage)
        groups[progress, visible, poll_period(job)].append(job.pk)
    with transaction.atomic():
        return sum(
            transitions.at_stage(Stage.GENERATING, ids).update(
                progress_percentage=Greatest(F("progress_percentage"), progress),
                version=F("version") + visible,
                next_step_at=now + period,
                failure_count=0,
                crash_count=0,
            )
            for (progress, visible, period), ids in groups.items()
        )


def generated(*, job: VideoJob, now: datetime) -> bool:
    """Record that the provider made the video; the next step stores it.

    Storing has its own deadline, because Google charges for this video.
    """
    with transaction.atomic():
        if not transitions.move(
            job,
            Stage.GENERATING,
            stage=Stage.STORING,
            status_message=messages.STORING,
            progress_percentage=estimates.STORING,
            generated_at=now,
            next_step_at=now,
            deadline_at=now + timedelta(hours=settings.VIDEO_STORE_DEADLINE_HOURS),
            failure_count=0,
        ):
            return False
        events.add(job, f"💾 {messages.STORING}", now)
        transitions.observe_duration(counters.GENERATION, job, job.submitted_at, now)
        wakeup.wake("store_due")
    return True


def step_failed(*, job: VideoJob, error: BaseException, now: datetime) -> bool:
    """Schedule a retry after a poll or an upload failed with a temporary error.

    Only the first of consecutive failures becomes an event, so that retries do not fill the table.
    """
    delay = getattr(error, "retry_after", None) or back_off(job)
    with transaction.atomic():
        moved = transitions.move(
            job,
            job.stage,
            next_step_at=now + timedelta(seconds=min(delay, max_back_off(job))),
            failure_count=F("failure_count") + 1,
            **({"status_message": messages.STORING_AGAIN} if job.stage == Stage.STORING else {}),
        )
        if moved and job.failure_count == 0:
            events.add_internal(
                job, f"A step of {job.stage} failed and will be retried", now, str(error)
            )
    return moved


def succeed(*, job: VideoJob, video: StoredVideo, now: datetime) -> bool:
    """End `job` as SUCCEEDED: its video is stored."""
    with transaction.atomic():
        if not transitions.end(
            job,
            Status.SUCCEEDED,
            now,
            seen=Stage.STORING,
            status_message=messages.SUCCEEDED,
            progress_percentage=100,
            video_name=video.name,
            video_url=video.url,
            poster_url=video.poster_url,
            video_bytes=video.bytes,
        ):
            return False
        events.add(job, f"✅ {messages.SUCCEEDED}", now)
        transitions.observe_duration(counters.STORAGE, job, job.generated_at, now)
        transitions.observe_since_order(counters.VIDEO, job, now)
        job_totals.ended(job)
        outbox.job_ended(job, now)
    return True


def fail(*, job: VideoJob, failure: Failure, now: datetime) -> bool:
    """End `job` as FAILED and refund it (VIDEO_REFUND_FAILED_JOBS), in one transaction.

    Returns False, and changes nothing, if another process ended or moved it first.
    """
    with transaction.atomic():
        if not transitions.end(
            job,
            Status.FAILED,
            now,
            seen=job.stage,
            status_message=messages.FAILED,
            error_code=failure.code,
            error_message=failure.message,
        ):
            return False
        events.add(job, f"❌ {failure.message}", now, JobEvent.Level.ERROR)
        if failure.detail:
            events.add_internal(job, f"Failed: {failure.code}", now, failure.detail)
        if settings.VIDEO_REFUND_FAILED_JOBS:
            refunds.refund_on_end(job, f"Failed: {failure.code}", now)
        job_totals.ended(job)
        outbox.job_ended(job, now)
    return True
