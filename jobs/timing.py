"""When a job's next step is due."""

from datetime import timedelta

from jobs.models import VideoJob

MAX_BACK_OFF = 60  # seconds
FAILURES_TO_MAX = 5  # consecutive failures until back_off() reaches MAX_BACK_OFF


def poll_period(job: VideoJob) -> timedelta:
    """A tenth of the expected time, from one to five seconds; three if that time is unknown."""
    return timedelta(seconds=min(5, max(1, (job.expected_seconds or 30) / 10)))


def back_off(job: VideoJob) -> int:
    """Seconds until the next try: 2, 4, 8, ... 60."""
    return min(MAX_BACK_OFF, 2 ** (job.failure_count + 1))
