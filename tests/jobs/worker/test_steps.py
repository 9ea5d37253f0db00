"""A run of a step: the effect of one job's answer on the other jobs of the run."""

import time
from collections import Counter
from concurrent.futures import Future
from datetime import timedelta
from errno import EROFS
from pathlib import Path
from threading import Condition

import pytest
from django.db import OperationalError
from django.utils import timezone

from jobs import lifecycle, stored_images
from jobs.models import JobEvent, VideoJob
from jobs.providers.base import Finished, Inputs, Running
from jobs.providers.mock import Mock
from jobs.worker import staging, steps
from jobs.worker.shared import state
from tests.job_states import kept


@pytest.fixture
def due(new_job, settings):
    """Mock jobs that are generating, due to be asked after, and take an hour."""
    settings.VIDEO_MAX_ACTIVE_JOBS = 10
    then = timezone.now() - timedelta(seconds=60)
    jobs = [new_job("generating", now=then, mock_mode=True) for _ in range(5)]
    began = f"mock/{then.timestamp():.3f}/3600/video/720p-16x9-8s"
    VideoJob.objects.update(operation=began, next_step_at=then, crash_count=0)
    return jobs


class TestPollDue:
    def test_running_jobs_make_progress(self, due):
        steps.poll_due()
        for job in map(kept, due):
            assert (job.stage, job.crash_count) == ("generating", 0)
            assert job.next_step_at > timezone.now()
            assert job.progress_percentage > 5

    def test_unrecordable_answer_does_not_affect_other_jobs(self, due, monkeypatch, caplog):
        def broken(**_):
            raise ValueError("cannot be written down")

        *others, bad = due
        VideoJob.objects.filter(pk=bad.pk).update(operation="unknown to the mock")
        monkeypatch.setattr(lifecycle, "fail", broken)
        steps.poll_due()
        assert kept(bad).crash_count == 1
        assert [kept(job).crash_count for job in others] == [0] * len(others)
        assert "an answer was not recorded" in caplog.text

    def test_stop_of_the_cluster_is_no_crash_of_the_step(self, due, monkeypatch):
        def stop(*_, **__):
            monkeypatch.setattr(state, "is_stopping", True)
            time.sleep(0.5)
            raise SystemExit

        def killed(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(Mock, "poll", stop)
        monkeypatch.setattr(steps.PollStep, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            steps.poll_due()
        assert {kept(job).crash_count for job in due} == {0}

    @pytest.fixture
    def finished(self, new_job, settings, tmp_path):
        """A job whose video is made, as two workers claimed it."""
        settings.STAGING_DIR = str(tmp_path / "staging")
        job = new_job("generating", mock_mode=True)
        VideoJob.objects.update(
            operation="mock/1.000/0/video/720p-16x9-8s", next_step_at=timezone.now()
        )
        return kept(job), kept(job)

    def test_video_that_another_worker_has_polled_stays(self, finished):
        """Its lease ended while the database was down, or the answer to its own commit was lost."""
        for job in finished:
            step = steps.PollStep()
            answer = Future[Running | Finished]()
            answer.set_result(step.call(job)())
            step.record(job, answer)
        assert kept(job).stage == "storing"
        assert staging.video_path(job.pk).exists()
        assert not JobEvent.objects.filter(internal=True).exists()

    def test_video_that_a_read_only_file_system_refuses_is_stored_later(
        self, finished, monkeypatch
    ):
        def refuse(*_, **__):
            raise OSError(EROFS, "Read-only file system")

        monkeypatch.setattr(Mock, "poll", refuse)
        monkeypatch.setattr(Path, "unlink", refuse)
        steps.poll_due()
        assert kept(finished[0]).stage == "storing"


class TestSubmitDue:
    @pytest.fixture
    def names(self, monkeypatch):
        """What the provider calls its operations, in turn."""
        names: list[str] = []
        monkeypatch.setattr(Mock, "submit", lambda self, **_: names.pop())
        return names

    @pytest.fixture
    def waiting(self, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 10
        return [new_job("PENDING", mock_mode=True) for _ in range(5)]

    def test_all_accepted_jobs_are_recorded(self, waiting, names):
        names += [f"mock/{n}" for n in range(5)]
        steps.submit_due()
        assert {kept(job).stage for job in waiting} == {"generating"}
        assert {kept(job).operation for job in waiting} == {f"mock/{n}" for n in range(5)}

    @pytest.mark.parametrize("limit", [1, 3])
    def test_open_submissions_are_limited(self, waiting, monkeypatch, settings, limit):
        settings.VEO_OPEN_SUBMISSIONS = limit
        changed, most = Condition(), list[int]()
        numbers: Counter[str] = Counter()

        def submit(self, **_):
            with changed:
                numbers["open"] += 1
                most.append(numbers["open"])
                changed.notify_all()
                changed.wait_for(lambda: max(most) >= limit, timeout=10)
            time.sleep(0.05)  # for a submission too many
            with changed:
                numbers["open"] -= 1
                numbers["all"] += 1
                return f"mock/{numbers['all']}"

        monkeypatch.setattr(Mock, "submit", submit)
        steps.submit_due()
        assert max(most) == limit
        assert {kept(job).stage for job in waiting} == {"generating"}

    @pytest.mark.parametrize("error", [OperationalError, RuntimeError])
    def test_answer_is_recorded_if_the_next_job_cannot_be_read(
        self, waiting, names, monkeypatch, error
    ):
        names += ["mock/1"]
        readable = [Inputs()]

        def read(*, job):
            if not readable:
                raise error
            return readable.pop()

        monkeypatch.setattr(stored_images, "read", read)
        with pytest.raises(error):
            steps.submit_due()
        stages = sorted(kept(job).stage for job in waiting)
        assert stages == ["generating"] + ["submitting"] * 4

    @pytest.mark.only_on("postgresql")  # SQLite takes texts of any length, and NUL
    @pytest.mark.parametrize("name", ["n" * 301, "mock/\0"])
    def test_unstorable_operation_does_not_affect_other_jobs(self, waiting, names, name, caplog):
        names += [name, *(f"mock/{n}" for n in range(4))]
        steps.submit_due()
        stages = sorted(kept(job).stage for job in waiting)
        assert stages == ["generating"] * 4 + ["submitting"]
        assert "an answer was not recorded" in caplog.text

    def test_failed_recording_does_not_affect_other_jobs(self, waiting, names, monkeypatch, caplog):
        names += [f"mock/{n}" for n in range(5)]
        submitted = lifecycle.submitted

        def broken(*, accepted, now):
            if "mock/3" in accepted.values():
                raise RuntimeError
            return submitted(accepted=accepted, now=now)

        monkeypatch.setattr(lifecycle, "submitted", broken)
        steps.submit_due()
        stages = sorted(kept(job).stage for job in waiting)
        assert stages == ["generating"] * 4 + ["submitting"]
        assert "an answer was not recorded" in caplog.text


class TestDetail:
    def test_nul_in_a_detail_is_replaced(self, new_job):
        job = new_job("generating")
        error = ValueError("a\0b")
        assert lifecycle.step_failed(job=job, error=error, now=timezone.now())
        assert JobEvent.objects.get(internal=True).detail == "a\N{REPLACEMENT CHARACTER}b"
