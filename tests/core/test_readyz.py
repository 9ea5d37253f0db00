"""`/readyz` with waiting jobs, and without the database."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from jobs.models import Stage, Status, SubmissionGate, Tick, VideoJob
from jobs.worker import leases
from videostudio.health import CHECKS


@pytest.fixture
def failing(anonymous, db):
    """What /readyz finds wrong, while a cluster keeps time."""
    Tick.objects.update(next_at=timezone.now() + timedelta(seconds=1))

    def failing():
        answer = anonymous.get("/readyz")
        wrong = {name: said for name, said in answer.json()["checks"].items() if said != "ok"}
        assert answer.status_code == (503 if wrong else 200)
        assert answer.json()["status"] == ("unavailable" if wrong else "ok")
        return wrong

    return failing


def nobody_looked():
    SubmissionGate.objects.update(looked_at=None)


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


WAITING = {"waiting": "a waiting job that could start does not"}


class TestWaiting:
    def test_job_is_late_after_a_minute(self, failing, new_job):
        new_job(now=ago(50))
        assert failing() == {}
        new_job(now=ago(70))
        assert failing() == WAITING

    def test_job_that_somebody_looked_at_is_not(self, failing, new_job):
        new_job(now=ago(3600), mock_mode=False)
        SubmissionGate.objects.update(looked_at=ago(10))
        assert failing() == {}
        SubmissionGate.objects.update(looked_at=ago(61))
        assert failing() == WAITING

    def test_job_is_looked_at_by_every_pass_that_may_start_it(self, new_job, settings):
        settings.VEO_MAX_IN_FLIGHT = 0
        new_job(mock_mode=False)
        now = timezone.now()
        assert not leases.claim_pending(limit=5, now=now)
        assert SubmissionGate.objects.get().looked_at == now

    def test_job_put_off_by_google_is_not_late(self, failing, new_job):
        job = new_job(now=ago(3600), mock_mode=False)
        VideoJob.objects.filter(pk=job.pk).update(next_step_at=ago(-30))
        assert failing() == {}

    def test_job_behind_a_closed_gate_is_not_late(self, failing, new_job):
        new_job(now=ago(3600), mock_mode=False)
        SubmissionGate.objects.update(opens_at=ago(-30))
        assert failing() == {}
        new_job(now=ago(3600), mock_mode=True)  # which needs no gate
        assert failing() == WAITING

    def test_job_without_room_upstream_is_not_late(self, failing, new_job, settings):
        new_job(Stage.GENERATING, mock_mode=False)
        nobody_looked()
        new_job(now=ago(3600), mock_mode=False)
        settings.VEO_MAX_IN_FLIGHT = 1
        assert failing() == {}
        settings.VEO_MAX_IN_FLIGHT = 2
        assert failing() == WAITING

    def test_job_that_waits_for_its_users_own_turn_is_not_late(self, failing, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS, settings.VIDEO_MAX_WAITING_JOBS = 1, 5
        running = new_job(Stage.GENERATING)
        nobody_looked()
        new_job(now=ago(3600))
        assert failing() == {}
        VideoJob.objects.filter(pk=running.pk).delete()
        assert failing() == WAITING

    @pytest.mark.parametrize("state", [*Stage, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
    def test_is_not_said_of_other_jobs(self, failing, new_job, state):
        new_job(state, now=ago(3600))
        VideoJob.objects.exclude(next_step_at=None).update(next_step_at=timezone.now())
        assert failing() == {}


class TestRunning:
    @pytest.mark.parametrize("stage", Stage)
    def test_job_beyond_its_lease_is_late(self, failing, new_job, stage):
        job = new_job(stage)
        VideoJob.objects.filter(pk=job.pk).update(next_step_at=ago(59))
        assert failing() == {}
        VideoJob.objects.filter(pk=job.pk).update(next_step_at=ago(61))
        assert failing() == {"running": "a running job's next step is late"}


class TestDatabase:
    def test_that_is_gone_is_asked_once(self, failing, monkeypatch):
        asked = []

        def fail():
            asked.append(1)
            raise OperationalError("10.0.0.7")

        with monkeypatch.context() as patch:
            patch.setattr(connection, "cursor", fail)
            wrong = failing()
        assert wrong == dict.fromkeys(CHECKS, "cannot be checked")
        assert len(asked) == 1

    def test_that_goes_meanwhile_is_no_500(self, failing, monkeypatch):
        def fail():
            raise OperationalError("10.0.0.7")

        monkeypatch.setattr("videostudio.health._oldest_waiting", fail)
        monkeypatch.setattr("jobs.stats.queries.clocks", fail)
        assert failing() == {"workers": "cannot be checked"}
