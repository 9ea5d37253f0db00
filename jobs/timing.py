"""When a job's next step is due."""

from datetime import timedelta

from jobs.models import Stage, VideoJob

MAX_BACK_OFF = 60  # seconds
MAX_STORING_BACK_OFF = 300  # storing is tried for a day, and each try sends megabytes
FAILURES_TO_MAX = 5  # consecutive failures until back_off() reaches MAX_BACK_OFF


def poll_period(job: VideoJob) -> timedelta:
    """A tenth of the expected time, from one to five seconds; three if that time is unknown."""
    return timedelta(seconds=min(5, max(1, (job.expected_seconds or 30) / 10)))


def back_off(job: VideoJob) -> int:
    """Seconds until the next try: 2, 4, 8, ... 60; up to 300 while storing."""
    return min(max_back_off(job), 2 ** min(job.failure_count + 1, 10))


def max_back_off(job: VideoJob) -> int:
    return MAX_STORING_BACK_OFF if job.stage == Stage.STORING else MAX_BACK_OFF
