"""The estimates of waiting jobs against a simulation of 120 of them."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.core.cache import caches
from django.utils import timezone

from jobs.models import Stage, Status, SubmissionGate, VideoJob
from jobs.stats import waiting_line
from jobs.worker import leases

pytestmark = pytest.mark.slow

WAITING, RUN_SECONDS, STEP = 120, 75, 15  # more jobs wait than FRONT


@pytest.fixture(autouse=True)
def large_limit(settings):
    settings.VIDEO_MAX_ACTIVE_JOBS = 1000


@pytest.fixture
def line(new_job):
    """`line(500)`: so many waiting jobs for Google, a millisecond apart."""

    def line(count):
        [pattern, now] = [new_job(mock_mode=False), timezone.now()]
        columns = {
            field.attname: getattr(pattern, field.attname)
            for field in VideoJob._meta.concrete_fields
            if field.name not in ("id", "created_at", "expected_seconds")
        }
        pattern.delete()
        return VideoJob.objects.bulk_create(
            VideoJob(
                created_at=now + timedelta(milliseconds=n), expected_seconds=RUN_SECONDS, **columns
            )
            for n in range(count)
        )

    return line


def simulated_ends(start, wanted):
    """The seconds after `start` in which the jobs end, if each takes RUN_SECONDS."""
    ends: dict[UUID, int] = {}
    seconds = 0
    while not wanted <= ends.keys():
        now = start + timedelta(seconds=seconds)
        running = VideoJob.objects.filter(status=Status.RUNNING)
        running.filter(started_at__lte=now - timedelta(seconds=RUN_SECONDS)).update(
            status=Status.SUCCEEDED,
            stage="",
            next_step_at=None,
            completed_at=now,
            video_url="/media/x.mp4",
        )
        for job in leases.claim_pending(limit=1000, now=now):
            ends[job.pk] = seconds + RUN_SECONDS
        running.filter(stage=Stage.SUBMITTING).update(stage=Stage.GENERATING)
        seconds += STEP
    return ends


@pytest.mark.parametrize(
    ("creates", "in_flight", "pause"),
    [(10, 50, 0), (1000, 20, 0), (10, 50, 300), (1000, 20, 300)],
    ids=["creates a minute", "in flight", "pause, creates", "pause, in flight"],
)
@pytest.mark.parametrize("begun", [False, True], ids=["new line", "line that moves"])
def test_estimate_is_within_a_fifth_of_the_truth(
    client, line, settings, creates, in_flight, pause, begun
):
    settings.VEO_CREATES_PER_MINUTE, settings.VEO_MAX_IN_FLIGHT = creates, in_flight
    jobs = line(WAITING)
    start = timezone.now() + timedelta(seconds=1)
    if begun:  # all places are taken
        taken = {job.pk for job in leases.claim_pending(limit=1000, now=start)}
        jobs = [job for job in jobs if job.pk not in taken]
    SubmissionGate.objects.update(opens_at=start + timedelta(seconds=pause))
    caches["local"].clear()
    waiting_line.number(now=timezone.now())
    asked = {job.pk: client.job(job) for job in (jobs[0], jobs[len(jobs) // 2], jobs[-1])}
    truth = simulated_ends(start, asked.keys())
    for pk, answer in asked.items():
        assert answer["status"] == "PENDING"
        assert abs(answer["estimatedSecondsRemaining"] - truth[pk]) <= 0.2 * truth[pk]


def test_estimate_includes_googles_pause(client, line):
    [job] = line(1)
    SubmissionGate.objects.update(opens_at=timezone.now() + timedelta(seconds=100))
    assert client.job(job)["estimatedSecondsRemaining"] in (175, 180)


def test_estimate_counts_what_google_refused_in_the_last_minute(client, line, settings):
    settings.VEO_CREATES_PER_MINUTE = 2
    [job], now = line(1), timezone.now().timestamp()
    SubmissionGate.objects.update(refused=[now - 10, now])
    assert client.job(job)["estimatedSecondsRemaining"] in (125, 130)


def test_mock_job_does_not_wait_for_google(client, new_job, settings):
    settings.VEO_CREATES_PER_MINUTE = settings.VEO_MAX_IN_FLIGHT = 1
    jobs = [new_job(mock_mode=True) for _ in range(5)]
    left = {client.job(job)["estimatedSecondsRemaining"] for job in jobs}
    assert len(left) == 1
