"""The tables for video jobs."""

from jobs.models.coordination import Heartbeat, PeriodicTask, SubmissionGate, Tick, UnavailableModel
from jobs.models.counters import JobCount, Tally
from jobs.models.job_parts import IdempotencyKey, JobEvent, JobImage
from jobs.models.removals import VideoRemoval
from jobs.models.video_job import SPEC_COLUMNS, VideoJob
from jobs.models.waiting_line import LineSnapshot, Turn
from jobs.models.webhooks import Webhook, WebhookDelivery, WebhookSender
from jobs.statuses import ACTIVE, HELD, Stage, Status
