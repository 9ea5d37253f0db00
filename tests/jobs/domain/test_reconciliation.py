"""What `manage.py check_ledger` finds between the jobs and the ledger."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from jobs import lifecycle, reconciliation
from jobs.models import VideoJob
from tests.api import FORM
from tests.job_states import STATES
from tokens_ledger import reconciliation as whole_audit


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


class TestSoundLedger:
    def test_has_no_findings_whatever_the_jobs_are_at(self, check, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        for state in reversed(STATES):
            new_job(state)
        code, lines = check()
        assert code == 0
        assert lines == ["Ledger in order: 1 accounts, 10 entries, sum 750."]

    @pytest.mark.parametrize("state", STATES)
    def test_has_none_for_deleted_jobs(self, check, new_job, state):
        lifecycle.delete(job=new_job(state), now=timezone.now())
        assert check()[0] == 0

    def test_has_none_for_failed_jobs_where_the_operator_keeps_the_tokens(
        self, check, new_job, settings
    ):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        new_job("FAILED")
        assert check()[0] == 0

    def test_has_none_for_jobs_that_cost_nothing(self, check, alice):
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
    def test_names_a_failed_job_that_was_not_refunded(self, check, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        job = new_job("FAILED")
        settings.VIDEO_REFUND_FAILED_JOBS = True
        new_job("FAILED")
        assert check() == (1, [f"Job {job.pk} failed and was not refunded."])

    def test_names_a_job_that_was_cancelled_in_time_and_not_refunded(self, check, new_job):
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

    @pytest.mark.parametrize("state", STATES)
    def test_names_a_job_that_was_never_charged(self, check, new_job, state):
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
    def test_names_a_job_that_shows_a_refund_that_was_none(self, check, new_job, state):
        job = new_job(state)
        VideoJob.objects.filter(pk=job.pk).update(tokens_refunded=50)
        assert check() == (1, [f"Job {job.pk} shows a refund that the ledger lacks."])

    def test_names_the_oldest_first(self, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        now = timezone.now()
        jobs = [new_job("FAILED", now=now - timedelta(hours=n)) for n in (1, 3, 2)]
        settings.VIDEO_REFUND_FAILED_JOBS = True
        found = [line.split()[1] for line in reconciliation.findings()]
        assert found == [str(jobs[n].pk) for n in (1, 2, 0)]

    def test_is_part_of_the_whole_audit(self, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        job = new_job("FAILED")
        settings.VIDEO_REFUND_FAILED_JOBS = True
        assert list(whole_audit.findings()) == list(reconciliation.findings())
        assert str(job.pk) in next(reconciliation.findings())

    def test_names_nobody(self, new_job, settings, alice):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        new_job("FAILED")
        settings.VIDEO_REFUND_FAILED_JOBS = True
        [line] = reconciliation.findings()
        for secret in (alice.username, alice.email, FORM["prompt"]):
            assert secret not in line

    def test_takes_few_queries(self, new_job, django_assert_max_num_queries):
        for _ in range(5):
            new_job("FAILED")
        with django_assert_max_num_queries(6):
            list(reconciliation.findings())
