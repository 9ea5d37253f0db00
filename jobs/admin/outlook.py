"""Why an active job waits, and what will happen to it next, in sentences for staff."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from jobs import model_availability
from jobs.models import HELD, Stage, Status, VideoJob
from jobs.stats import estimates, lateness, queries, waiting_line
from videostudio.core import formatting

AFTER_START = "A worker starts it within seconds."
NO_TOKENS_LOST = "It continues when a worker responds again; no tokens are lost."
WORK = {
    Stage.SUBMITTING: "A worker submits it to the provider.",
    Stage.GENERATING: "The provider makes the video, and a worker polls it every few seconds.",
    Stage.STORING: "A worker stores the finished video.",
}


@dataclass(frozen=True)
class Outlook:
    why: str
    next: str


HELD_AFTER_RESTORE = Outlook(
    "The service was restored from a backup, and Google may have this job already.",
    "Run it, or mark it as failed and refund it. Until then no worker starts it.",
)


def of(*, job: VideoJob, now: datetime) -> Outlook | None:
    """None if the job has ended. Names the first cause that delays the job."""
    if not job.next_step_at:
        return None
    if job.next_step_at == HELD:
        return HELD_AFTER_RESTORE
    clocks = queries.clocks()
    if not clocks.workers_alive(now=now):
        ever = clocks.has_ticked(now=now)
        since = f"since {formatting.clock(clocks.last_tick, now)}" if ever else "yet"
        return Outlook(f"No worker has responded {since}.", NO_TOKENS_LOST)
    if job.status == Status.RUNNING:
        return _of_running(job, now)
    return _of_waiting(job, clocks.paused_until, now)


def _of_waiting(job: VideoJob, paused_until: datetime, now: datetime) -> Outlook:
    if outlook := _without_model(job, now):
        return outlook
    if outlook := _of_user(job):
        return outlook
    if paused_until > now and not job.mock_mode:
        return Outlook(
            f"Google asked us to slow down: nothing is submitted until "
            f"{formatting.clock(paused_until, now)}.",
            "A worker submits the waiting jobs then.",
        )
    if job.next_step_at and job.next_step_at > now and job.failure_count:
        return Outlook(
            f"The last submission failed ({_failures(job)}).",
            f"It is tried again at {formatting.clock(job.next_step_at, now)}.",
        )
    return _in_line(job, now)


def _without_model(job: VideoJob, now: datetime) -> Outlook | None:
    for row in model_availability.unavailable():
        if model_availability.is_lost(job=job, row=row):
            return Outlook(
                f"Google has not offered {job.model} since {formatting.clock(row.since, now)}.",
                "A worker ends the job as FAILED.",
            )
    return None


def _of_user(job: VideoJob) -> Outlook | None:
    """If earlier jobs of the same user use up the user's limit."""
    limit = settings.VIDEO_MAX_ACTIVE_JOBS
    of_user = VideoJob.objects.for_user(job.user_id)
    running = of_user.filter(status=Status.RUNNING).count()
    earlier = of_user.waiting().filter(created_at__lt=job.created_at)
    if running + earlier.order_by()[:limit].count() < limit:
        return None
    jobs = "1 job" if running == 1 else f"{running} jobs"
    return Outlook(
        f"{job.user} has {jobs} running, and older waiting jobs come first. "
        f"At most {limit} of a user's jobs run at a time.",
        "It starts when other jobs of this user have ended.",
    )


def _in_line(job: VideoJob, now: datetime) -> Outlook:
    position = waiting_line.positions([job]).get(job.pk, 0)
    run_seconds = job.expected_seconds or estimates.DEFAULT_SECONDS
    left = (
        0
        if job.mock_mode
        else estimates.seconds_to_start(position=position, run_seconds=run_seconds, now=now)
    )
    if left < 1:
        return Outlook(_ahead(position), AFTER_START)
    limits = (
        f"Google takes at most {settings.VEO_MAX_IN_FLIGHT} of our videos at a time, and "
        f"{settings.VEO_CREATES_PER_MINUTE} new ones a minute."
    )
    shown = formatting.format_duration(round(left))
    return Outlook(f"{_ahead(position)} {limits}", f"It starts in about {shown}.")


def _ahead(position: int) -> str:
    if not position:
        return "No job is ahead of it."
    return f"{position:,} job{' is' if position == 1 else 's are'} ahead of it."


def _of_running(job: VideoJob, now: datetime) -> Outlook | None:
    due = job.next_step_at or now
    if due < now - lateness.LATE:
        late = formatting.ago(due, now)
        return Outlook(
            f"Its step was due {late}, and no worker has claimed it.",
            f"The next free worker claims it.{_deadline(job, now)}",
        )
    if job.failure_count:
        return Outlook(
            f"The last step failed ({_failures(job)}).",
            f"It is tried again at {formatting.clock(due, now)}.{_deadline(job, now)}",
        )
    slow = lateness.limits(now=now).label(job=job, now=now) == lateness.STUCK
    cause = "It has run for longer than 95% of earlier jobs." if slow else ""
    return Outlook(cause, f"{WORK[Stage(job.stage)]}{_deadline(job, now)}")


def _deadline(job: VideoJob, now: datetime) -> str:
    if not job.deadline_at:
        return ""
    return f" Without success it ends as FAILED at {formatting.clock(job.deadline_at, now)}."


def _failures(job: VideoJob) -> str:
    return f"{job.failure_count} time{'' if job.failure_count == 1 else 's'} in a row"
