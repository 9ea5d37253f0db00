"""The tables for video jobs."""

from jobs.models.coordination import SubmissionGate, Tick, Turn
from jobs.models.counters import JobCount, Tally
from jobs.models.job_parts import IdempotencyKey, JobEvent, JobImage
from jobs.models.video_job import SPEC_COLUMNS, VideoJob
from jobs.statuses import ACTIVE, Stage, Status

__all__ = [
    "ACTIVE",
    "SPEC_COLUMNS",
    "IdempotencyKey",
    "JobCount",
    "JobEvent",
    "JobImage",
    "Stage",
    "Status",
    "SubmissionGate",
    "Tally",
    "Tick",
    "Turn",
    "VideoJob",
]
