"""The transitions of a job: allowed and refused ones."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.models import OrmQ

from jobs import lifecycle, wakeup
from jobs.failures import Failure
from jobs.input_images import Image
from jobs.models import JobEvent, JobImage, VideoJob
from jobs.providers.base import Inputs, ProviderError
from tests.api import COST, TOKENS
from tests.job_states import BLOCKED, STATES, bring, kept, stored, where
from tokens_ledger import ledger
from tokens_ledger.models import Entry

pytestmark = pytest.mark.both  # constraints, and changes that depend on the row

NOW = timezone.now()
ENDING = {"stage": "", "next_step_at": None, "completed_at": NOW}
BUSY = ProviderError(code="provider.unavailable", message="Busy.", detail="raw", retryable=True)
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")

# What a worker can say of a job, and at which states it is heard; `to` is where it leads.
STEPS = {
    "submitted": (["submitting"], "generating"),
    "requeue": (["submitting"], "PENDING"),
    "progressed": (["generating"], "generating"),
    "generated": (["generating"], "storing"),
    "step_failed": (["submitting", "generating", "storing"], None),
    "succeed": (["storing"], "SUCCEEDED"),
    "fail": (["PENDING", "submitting", "generating", "storing"], "FAILED"),
}


def say(step, job, now=NOW):
    details: dict[str, dict[str, Any]] = {
        "requeue": {"error": BUSY},
        "step_failed": {"error": BUSY},
        "succeed": {"video": stored(job)},
        "fail": {"failure": BLOCKED},
    }
    if step == "submitted":
        return bool(lifecycle.submitted(accepted={job: "late-operation"}, now=now))
    if step == "progressed":
        return bool(lifecycle.progressed(jobs=[job], now=now))
    return getattr(lifecycle, step)(job=job, now=now, **details.get(step, {}))


def seen(job):
    """Everything of a job that anybody can see, and its money."""
    row = VideoJob.objects.filter(pk=job.pk).values().first()
    lines = (
        JobEvent.objects.filter(job=job.pk, internal=False).order_by("id").values_list("message")
    )
    return row, list(lines), list(Entry.objects.order_by("id").values_list("amount"))


class TestStep:
    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("state", STATES)
    def test_step_is_possible_in_its_states_only(self, new_job, state, step):
        job = new_job(state)
        before = seen(job)
        allowed, to = STEPS[step]
        assert say(step, job) is (state in allowed)
        if state in allowed:
            assert where(kept(job)) == (to or state)
            assert seen(job) != before
        else:
            assert seen(job) == before

    @pytest.mark.parametrize(
        ("copy", "now"),
        [
            ("PENDING", "submitting"),
            ("submitting", "generating"),
            ("generating", "storing"),
            ("storing", "SUCCEEDED"),
            *((copy, end) for copy in STATES[:4] for end in ("FAILED", "CANCELLED")),
        ],
    )
    def test_step_with_an_old_copy_is_refused(self, new_job, copy, now):
        job = new_job(copy)
        old = VideoJob.objects.get(pk=job.pk)
        bring(job, now)
        before = seen(job)
        for step, (states, _) in STEPS.items():
            if now not in states or step in ("fail", "step_failed"):
                assert say(step, old) is False, step
                assert seen(job) == before

    @pytest.mark.parametrize("state", STATES)
    def test_step_of_a_deleted_job_is_refused(self, new_job, state):
        job = new_job(state)
        lifecycle.delete(job=job, now=NOW)
        entries = Entry.objects.count()
        for step in STEPS:
            assert say(step, VideoJob(pk=job.pk, stage=job.stage, status=job.status)) is False
        assert not VideoJob.objects.exists()
        assert not JobEvent.objects.exists()
        assert Entry.objects.count() == entries


class TestRefund:
    @pytest.mark.parametrize(
        ("state", "code"),
        [("PENDING", "internal"), ("generating", "safety.output"), ("storing", "storage.failed")],
    )
    def test_failed_job_is_refunded_whatever_the_cause(self, new_job, alice, tokens, state, code):
        job = new_job(state)
        assert tokens(alice) == TOKENS - COST
        assert lifecycle.fail(job=job, failure=Failure(code, "Sorry."), now=NOW)
        assert kept(job).tokens_refunded == COST
        assert tokens(alice) == TOKENS
        refund = Entry.objects.get(kind="refund")
        assert (refund.reference, refund.amount, refund.actor) == (str(job.pk), COST, None)
        assert code in refund.note

    def test_failed_job_is_not_refunded_where_turned_off(self, new_job, alice, tokens, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        job = new_job("FAILED")
        assert job.tokens_refunded == 0
        assert tokens(alice) == TOKENS - COST
        lifecycle.cancel(job=new_job(), now=NOW)
        assert tokens(alice) == TOKENS - COST

    @pytest.mark.parametrize("state", ["PENDING", "generating"])
    @pytest.mark.parametrize("end", ["FAILED", "CANCELLED"])
    def test_job_refunded_by_staff_is_not_refunded_again(self, new_job, alice, tokens, state, end):
        """And does not keep the job from its end."""
        job = new_job(state)
        ledger.refund(reference=str(job.pk), note="Sorry", actor=alice)
        assert bring(job, end).status == end
        assert tokens(alice) == TOKENS


class TestStoring:
    def test_storing_has_its_own_deadline_from_when_the_video_was_made(self, new_job, settings):
        settings.VIDEO_STORE_DEADLINE_HOURS = 6
        job = new_job("generating")
        assert lifecycle.generated(job=job, now=NOW)
        assert kept(job).deadline_at == NOW + timedelta(hours=6)


class TestSubmission:
    def test_submission_sets_the_deadline(self, new_job, settings):
        settings.VIDEO_JOB_DEADLINE_SECONDS = 300
        job = new_job("submitting")
        say("submitted", job)
        row = kept(job)
        assert (row.submitted_at, row.deadline_at) == (NOW, NOW + timedelta(seconds=300))
        assert row.operation == "late-operation"
        assert row.status_message == "Video generation in progress..."

    @pytest.mark.parametrize("end", ["FAILED", "CANCELLED"])
    def test_late_operation_is_recorded_for_staff(self, client, new_job, end, caplog):
        job = new_job("submitting")
        old = VideoJob.objects.get(pk=job.pk)
        bring(job, end)
        shown = client.job(job)
        assert not say("submitted", old)
        note = JobEvent.objects.get(internal=True, detail="late-operation")
        assert note.job == job
        assert client.job(job) == shown
        assert "late answer" in caplog.text

    def test_late_operation_of_a_deleted_job_is_logged(self, new_job, caplog):
        job = new_job("submitting")
        old = VideoJob.objects.get(pk=job.pk)
        lifecycle.delete(job=job, now=NOW)
        assert not say("submitted", old)
        assert "late answer" in caplog.text

    def test_repeated_submission_counts_once(self, new_job):
        """The database was gone after the first commit: the worker tries again."""
        job = new_job("submitting")
        assert say("submitted", job)
        before = seen(job)
        assert say("submitted", job)
        assert seen(job) == before
        assert not JobEvent.objects.filter(internal=True).exists()

    def test_submissions_of_several_jobs_are_independent(self, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        jobs = [new_job("submitting") for _ in range(4)]
        accepted = {job: f"operations/{n}" for n, job in enumerate(jobs)}
        bring(jobs[0], "CANCELLED")
        lifecycle.delete(job=VideoJob.objects.get(pk=jobs[3].pk), now=NOW)
        assert lifecycle.submitted(accepted=accepted, now=NOW) == jobs[1:3]
        assert [(kept(job).stage, kept(job).operation) for job in jobs[:3]] == [
            ("", ""),
            ("generating", "operations/1"),
            ("generating", "operations/2"),
        ]
        lines = JobEvent.objects.filter(message="🎬 Video generation in progress...")
        assert {line.job_id for line in lines} == {job.pk for job in jobs[1:3]}
        [late] = JobEvent.objects.filter(internal=True)
        assert (late.job_id, late.detail) == (jobs[0].pk, "operations/0")


class TestRequeue:
    def test_requeued_job_waits_again(self, client, new_job):
        job = new_job("submitting")
        assert say("requeue", job)
        shown = client.job(job)
        assert (shown["status"], shown["startedAt"], shown["queuePosition"]) == ("PENDING", None, 0)
        assert shown["statusMessage"].startswith("Google Veo is busy")
        assert shown["logs"][-1]["level"] == "warning"
        assert "raw" not in str(shown)

    def test_requeued_job_waits_longer_and_is_logged_once(self, client, new_job):
        job, now, waits = new_job(), timezone.now(), []
        for _ in range(8):
            job = bring(job, "submitting", now=now)
            say("requeue", job, now)
            job = kept(job)
            waits.append((job.next_step_at - now).total_seconds())
            now = job.next_step_at
        assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
        messages = [line["message"] for line in client.job(job)["logs"]]
        assert len(messages) == 4  # created, started, called, busy
        assert JobEvent.objects.count() == 5  # and one for staff

    def test_retry_after_of_the_provider_is_kept(self, new_job):
        job = new_job("submitting")
        error = ProviderError(code="x", message="x", retryable=True, retry_after=34.0)
        lifecycle.requeue(job=job, error=error, now=NOW)
        assert kept(job).next_step_at == NOW + timedelta(seconds=34)

    def test_repeated_requeue_does_not_stop_the_next_submission(self, new_job):
        """The database was gone after the first commit, and another worker has started the job
        since. If it waited again, Google would make a second video."""
        job = new_job("submitting", now=NOW)
        assert say("requeue", job)
        later = NOW + timedelta(seconds=5)
        again = bring(kept(job), "submitting", now=later)
        before = seen(job)
        assert not say("requeue", job, later)
        assert seen(job) == before
        assert say("submitted", again, later)


class TestStepFailed:
    @pytest.mark.parametrize(
        ("state", "last"), [("generating", [60, 60, 60, 60]), ("storing", [64, 128, 256, 300])]
    )
    def test_failed_step_backs_off_and_is_recorded_once(self, client, new_job, state, last):
        job = new_job(state)
        lines, waits = client.job(job)["logs"], []
        for _ in range(9):
            assert say("step_failed", kept(job))
            waits.append((kept(job).next_step_at - NOW).total_seconds())
        assert waits == [2, 4, 8, 16, 32, *last]
        assert client.job(job)["logs"] == lines
        assert JobEvent.objects.filter(internal=True).count() == 1

    def test_success_resets_the_failures(self, new_job):
        job = new_job("generating")
        say("step_failed", job)
        say("progressed", kept(job))
        assert kept(job).failure_count == 0


class TestProgress:
    def test_progress_of_several_jobs_is_independent(self, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 5
        jobs = [new_job("generating", now=NOW) for _ in range(3)]
        old, gone = new_job("generating", now=NOW), new_job("storing", now=NOW)
        VideoJob.objects.filter(pk=old.pk).update(submitted_at=NOW - timedelta(hours=1))
        late = NOW + timedelta(seconds=2)
        told = [kept(job) for job in (*jobs, old, gone)]
        assert lifecycle.progressed(jobs=told, now=late) == 4
        assert [kept(job).version - job.version for job in told] == [1, 1, 1, 1, 0]
        assert {kept(job).progress_percentage for job in jobs} != {kept(old).progress_percentage}
        assert {kept(job).next_step_at > late for job in (*jobs, old)} == {True}
        assert where(kept(gone)) == "storing"


class TestEnd:
    @pytest.mark.parametrize("end", ENDED)
    def test_end_removes_the_input_images(self, new_job, end):
        picture = Image(content=b"x", width=1, height=1)
        job = new_job(inputs=Inputs(initial_image=picture), initial_image=True)
        assert JobImage.objects.count() == 1
        bring(job, end)
        assert not JobImage.objects.exists()
        assert kept(job).has_initial_image


class TestWakeUp:
    def test_new_job_and_finished_video_wake_a_worker(self, new_job):
        job = new_job()
        assert OrmQ.objects.count() == 1
        bring(job, "storing")
        assert OrmQ.objects.count() == 2
        assert OrmQ.objects.latest("id").func() == "jobs.worker.tasks.store_due"

    def test_jobs_created_together_wake_once(self, new_job, monkeypatch):
        for _ in range(2):
            new_job()
        assert OrmQ.objects.count() == 1
        monkeypatch.setattr(wakeup, "INTERVAL_SECONDS", 0)
        new_job()
        assert OrmQ.objects.count() == 2


class TestRow:
    """The database's own rules: the last guard."""

    @pytest.mark.parametrize(
        ("state", "wrong"),
        [
            ("PENDING", {"status": "DONE"}),
            ("PENDING", {"next_step_at": None}),
            ("PENDING", {"stage": "generating"}),
            ("generating", {"stage": ""}),
            ("generating", {"progress_percentage": 101}),
            ("generating", ENDING | {"status": "SUCCEEDED"}),
            ("generating", {"tokens_refunded": 51}),
            ("FAILED", {"completed_at": None}),
            ("FAILED", {"next_step_at": NOW}),
            ("SUCCEEDED", {"video_url": ""}),
        ],
    )  # fmt: skip
    def test_invalid_row_is_refused_by_the_database(self, new_job, state, wrong):
        job = new_job(state)
        with pytest.raises(IntegrityError), transaction.atomic():
            VideoJob.objects.filter(pk=job.pk).update(**wrong)
