"""The tick, which all processes share."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from jobs.models import HELD, SubmissionGate, Tick, VideoJob
from jobs.worker import leases, scheduler
from tests.job_states import kept


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_ticks_restart_after_a_pause_and_after_the_clock_was_set_back(db, seconds):
    now = timezone.now()
    scheduler.prepare()
    Tick.objects.update(next_at=now + timedelta(seconds=seconds))
    OrmQ.objects.update(lock=now + timedelta(seconds=seconds))
    scheduler.restart_ticks(now=now)
    restarted = OrmQ.objects.latest("id")
    assert restarted.task["args"] == (Tick.objects.get().token,)
    assert restarted.lock <= timezone.now()
    scheduler.restart_ticks(now=now)
    assert OrmQ.objects.latest("id") == restarted
    assert scheduler.take_tick(token=Tick.objects.get().token, now=now)


@pytest.fixture
def clock_set_back(db):
    """By an hour: returns the new time."""
    scheduler.prepare()
    return timezone.now() - timedelta(hours=1)


@pytest.mark.parametrize("seen_by", ["supervisor", "tick"])
class TestClockSetBack:
    @pytest.fixture
    def notice(self, clock_set_back, seen_by):
        def notice():
            if seen_by == "supervisor":
                scheduler.restart_ticks(now=clock_set_back)
            else:
                assert scheduler.take_tick(token=Tick.objects.get().token, now=clock_set_back)

        return notice

    @pytest.mark.parametrize("at", ["PENDING", "submitting", "generating", "storing"])
    def test_no_job_waits_longer_than_a_lease(self, notice, clock_set_back, new_job, at):
        job = new_job(at)
        notice()
        assert kept(job).next_step_at == clock_set_back + leases.LEASE

    def test_pause_of_submissions_ends_after_a_lease(self, notice, clock_set_back):
        SubmissionGate.objects.update(opens_at=clock_set_back + timedelta(hours=1, seconds=30))
        notice()
        assert SubmissionGate.objects.get().opens_at == clock_set_back + leases.LEASE

    def test_held_and_ended_jobs_stay_so(self, notice, new_job):
        held, ended = new_job(), new_job("SUCCEEDED")
        VideoJob.objects.filter(pk=held.pk).update(next_step_at=HELD)
        notice()
        assert (kept(held).next_step_at, kept(ended).next_step_at) == (HELD, None)


@pytest.mark.parametrize("seconds", [-1, 1])
def test_ticks_in_time_are_not_restarted(db, seconds):
    now = timezone.now()
    scheduler.prepare()
    Tick.objects.update(next_at=now + timedelta(seconds=seconds))
    scheduler.restart_ticks(now=now)
    assert OrmQ.objects.count() == 1
