"""What `manage.py check_ledger` finds between the jobs and the ledger."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from jobs import lifecycle, reconciliation
from jobs.models import VideoJob
from tests.api import FORM
from tests.job_states import STATES


@pytest.fixture
def check(capsys):
    """The lines and the exit code of the command."""

    def check():
        try:
            call_command("check_ledger")
        except SystemExit as end:
            return end.code, capsys.readouterr().out.splitlines()
        return 0, capsys.readouterr().out.splitlines()

    return check


class TestLedgerInOrder:
    def test_jobs_in_every_state_have_no_findings(self, check, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        for state in reversed(STATES):
            new_job(state)
        code, lines = check()
        assert code == 0
        assert lines == ["Ledger in order: 1 account, 10 entries, sum 750."]

    @pytest.mark.parametrize("state", STATES)
    def test_deleted_jobs_have_no_findings(self, check, new_job, state):
        lifecycle.delete(job=new_job(state), now=timezone.now())
        assert check()[0] == 0

    def test_unrefunded_failed_job_is_no_finding_where_turned_off(self, check, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        new_job("FAILED")
        assert check()[0] == 0

    def test_free_job_is_no_finding(self, check, alice):
        now = timezone.now()
        VideoJob.objects.create(
            user=alice,
            model=FORM["model"],
            resolution="720p",
            aspect_ratio="16:9",
            duration_seconds=8,
            status_message="x",
            created_at=now,
            next_step_at=now,
        )
        assert check()[0] == 0


class TestFinding:
    def test_unrefunded_failed_job_is_found(self, check, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        job = new_job("FAILED")
        settings.VIDEO_REFUND_FAILED_JOBS = True
        new_job("FAILED")
        assert check() == (1, [f"Job {job.pk} failed and was not refunded."])

    def test_unrefunded_job_cancelled_before_submission_is_found(self, check, new_job):
        job = new_job()
        now = timezone.now()
        ended = {"status": "CANCELLED", "next_step_at": None, "completed_at": now}
        VideoJob.objects.filter(pk=job.pk).update(**ended)
        new_job("CANCELLED")
        lifecycle.cancel(job=new_job("generating"), now=now)
        assert check() == (
            1,
            [f"Job {job.pk} was cancelled before its submission and was not refunded."],
        )

    @pytest.mark.parametrize("state", ["PENDING", "FAILED"])
    def test_uncharged_job_is_found(self, check, new_job, state):
        job = new_job(state)
        other = VideoJob.objects.get(pk=job.pk)
        other.pk = "550e8400-e29b-41d4-a716-446655440000"
        other.tokens_refunded = 0
        other.save(force_insert=True)
        code, lines = check()
        assert code == 1
        assert f"Job {other.pk} was never charged." in lines
        assert not [line for line in lines if str(job.pk) in line]

    @pytest.mark.parametrize("state", ["SUCCEEDED", "generating"])
    def test_refund_that_the_ledger_lacks_is_found(self, check, new_job, state):
        job = new_job(state)
        VideoJob.objects.filter(pk=job.pk).update(tokens_refunded=50)
        assert check() == (1, [f"Job {job.pk} shows a refund that the ledger lacks."])

    def test_findings_are_oldest_first(self, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        now = timezone.now()
        jobs = [new_job("FAILED", now=now - timedelta(hours=n)) for n in (1, 3, 2)]
        settings.VIDEO_REFUND_FAILED_JOBS = True
        found = [line.split()[1] for line in reconciliation.findings()]
        assert found == [str(jobs[n].pk) for n in (1, 2, 0)]
