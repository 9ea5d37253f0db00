"""`manage.py after_restore`, and what workers do in a restored database before it."""

import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from jobs import restores
from jobs.models import SubmissionGate, VideoJob
from jobs.worker import leases, steps
from tests.api import JOBS
from tests.job_states import kept

pytestmark = pytest.mark.both  # SQL of our own

SENTENCE = "The service was restored from a backup. Support decides whether the job starts."
UNTOUCHED = ("generating", "storing", "SUCCEEDED", "FAILED", "CANCELLED")


@pytest.fixture
def restored(db, monkeypatch):
    """Makes the database look restored: it has other tables than those that workers have seen."""
    monkeypatch.setitem(restores.TABLES, connection.vendor, "'1/2'")
    restores.is_unconfirmed()
    monkeypatch.setitem(restores.TABLES, connection.vendor, "'3/4'")


def after_restore():
    output = io.StringIO()
    call_command("after_restore", stdout=output)
    return output.getvalue()


def claim():
    return leases.claim_pending(limit=10, now=timezone.now())


class TestBeforeTheCommand:
    def test_waiting_jobs_are_not_started(self, restored, new_job):
        job = new_job(mock_mode=False)
        assert claim() == []
        assert kept(job).status == "PENDING"

    def test_interrupted_submission_is_left_to_staff(self, new_job):
        job = new_job("submitting", mock_mode=False)
        VideoJob.objects.update(next_step_at=timezone.now())
        SubmissionGate.objects.update(database="other tables")
        steps.fail_unknown_submissions()
        assert kept(job).stage == "submitting"
        restores.after_restore(now=timezone.now())
        assert kept(job).next_step_at.year == 9999

    def test_readyz_names_the_command(self, restored, anonymous):
        answer = anonymous.get("/readyz")
        assert answer.status_code == 503
        said = answer.json()["checks"]["restore"]
        assert said == "the database was restored: run manage.py after_restore"
        after_restore()
        assert anonymous.get("/readyz").json()["checks"]["restore"] == "ok"

    def test_new_database_needs_no_command(self, new_job, anonymous):
        job = new_job(mock_mode=False)
        assert anonymous.get("/readyz").json()["checks"]["restore"] == "ok"
        assert claim() == [job]


class TestHolding:
    @pytest.mark.parametrize("state", ["PENDING", "submitting"])
    def test_job_that_may_have_been_submitted_is_held(self, client, new_job, state):
        job = new_job(state, mock_mode=False)
        assert "\n1 jobs were held now, 1 in total" in after_restore()
        assert claim() == []
        shown = client.job(job)
        assert (shown["status"], shown["statusMessage"]) == ("PENDING", SENTENCE)
        assert shown["logs"][-1]["message"] == f"⏸️ {SENTENCE}"
        assert (shown["queuePosition"], shown["estimatedSecondsRemaining"]) == (None, None)
        assert shown["startedAt"] is None

    @pytest.mark.parametrize("state", UNTOUCHED)
    def test_submitted_or_ended_job_is_not_changed(self, new_job, state):
        job = new_job(state, mock_mode=False)
        assert "\n0 jobs were held now, 0 in total" in after_restore()
        assert kept(job).version == job.version

    def test_mock_job_is_not_held(self, restored, new_job):
        job = new_job()
        after_restore()
        assert claim() == [job]

    def test_second_run_changes_nothing(self, restored, new_job):
        job = new_job(mock_mode=False)
        after_restore()
        version = kept(job).version
        assert "\n0 jobs were held now, 1 in total" in after_restore()
        assert kept(job).version == version

    def test_later_order_is_started_and_does_not_wait_behind_held_ones(
        self, restored, client, new_job, many
    ):
        new_job(mock_mode=False)
        after_restore()
        later = new_job(mock_mode=False)
        assert client.job(later)["queuePosition"] == 0
        assert claim() == [later]

    def test_owner_can_cancel_a_held_job_and_is_refunded(self, restored, client, new_job):
        job = new_job(mock_mode=False)
        after_restore()
        answer = client.post(f"{JOBS}/{job.pk}/cancel")
        assert (answer.status_code, answer.json()["tokensRefunded"]) == (200, 50)
        assert kept(job).next_step_at is None

    def test_report_says_what_continues(self, restored, new_job, many):
        after_restore()
        new_job("generating", mock_mode=False)
        new_job("storing", mock_mode=False)
        report = after_restore()
        assert "\n2 jobs in flight continue" in report
        assert report.startswith("The newest line of all jobs' logs is from 20")


@pytest.mark.only_on("postgresql")
def test_tables_that_were_made_again_are_noticed(sql):
    assert not restores.is_unconfirmed()
    sql("CREATE TABLE again (LIKE jobs_submissiongate INCLUDING ALL)")
    sql("INSERT INTO again SELECT * FROM jobs_submissiongate")
    sql("DROP TABLE jobs_submissiongate")
    sql("ALTER TABLE again RENAME TO jobs_submissiongate")
    assert restores.is_unconfirmed()
