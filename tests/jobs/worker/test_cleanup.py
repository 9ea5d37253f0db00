"""What the cleanup deletes and keeps; polling leaves nothing to delete."""

import os
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts import api_keys, jwt
from accounts.models import ApiKey
from jobs import wakeup
from jobs.models import IdempotencyKey, JobEvent, JobImage, Stage, Status, VideoJob
from jobs.providers.base import Inputs
from jobs.worker import cleanup, scheduler, staging, steps, tasks
from tokens_ledger.models import Entry, KeySpending

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def spool_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "folder", lambda: tmp_path)
    return tmp_path


def purge_expired():
    cleanup.purge_expired(now=timezone.now())


class TestPurgeExpired:
    def test_idempotency_keys_are_removed_after_a_day(self, alice):
        now = timezone.now()
        for key, age in {"old": 24.1, "young": 23.9}.items():
            IdempotencyKey.objects.create(
                user=alice, key=key, job_id=uuid4(), created_at=now - age * HOUR
            )
        purge_expired()
        assert [row.key for row in IdempotencyKey.objects.all()] == ["young"]

    def test_expired_refresh_tokens_are_removed(self, alice):
        for _ in range(3):
            jwt.issue(user=alice)
        old, spent, good = OutstandingToken.objects.order_by("id")
        BlacklistedToken.objects.create(token=spent)
        OutstandingToken.objects.filter(pk__in=[old.pk, spent.pk]).update(expires_at=timezone.now())
        purge_expired()
        assert list(OutstandingToken.objects.all()) == [good]
        assert not BlacklistedToken.objects.exists()

    def test_revoked_keys_are_removed_after_30_days(self, alice):
        now = timezone.now()
        for name in ("valid", "revoked"):
            api_keys.create(user=alice, name=name, now=now)
        api_keys.revoke(keys=ApiKey.objects.filter(name="revoked"), now=now)
        cleanup.purge_expired(now=now + timedelta(days=29))
        assert ApiKey.objects.count() == 2
        cleanup.purge_expired(now=now + timedelta(days=31))
        assert ApiKey.objects.get().name == "valid"

    def test_what_keys_have_spent_is_removed_after_a_day(self, db):
        now = timezone.now()
        for days in (2, 1, 0):
            day = (now - timedelta(days=days)).date()
            KeySpending.objects.create(api_key=uuid4(), day=day, tokens=50, until=1)
        purge_expired()
        assert KeySpending.objects.count() == 2

    def test_failed_tasks_are_removed_after_a_week(self, db):
        now = timezone.now()
        for days in (8, 6):
            when = now - timedelta(days=days)
            Task.objects.create(id=str(days), name="t", success=False, started=when, stopped=when)
        purge_expired()
        assert [task.id for task in Task.objects.all()] == ["6"]

    def test_tasks_of_an_old_queue_name_are_removed(self, db):
        wakeup.wake("submit_due")
        wakeup.wake("store_due")
        renamed = OrmQ.objects.order_by("id").first()
        OrmQ.objects.filter(pk=renamed.pk).update(key="old-name", lock=timezone.now() - 25 * HOUR)
        purge_expired()
        assert OrmQ.objects.count() == 1
        assert not OrmQ.objects.filter(pk=renamed.pk).exists()

    def test_expired_sessions_are_removed(self, db):
        now = timezone.now()
        for key, expires in {"old": now - HOUR, "young": now + HOUR}.items():
            Session.objects.create(session_key=key, session_data="", expire_date=expires)
        purge_expired()
        assert [session.session_key for session in Session.objects.all()] == ["young"]

    def test_images_of_ended_jobs_are_removed(self, new_job, alice):
        ended, active = new_job(Status.FAILED), new_job(Stage.STORING)
        for job in (ended, active):
            JobImage.objects.create(
                job=job, role=JobImage.Role.INITIAL, content=b"x", width=1, height=1
            )
        purge_expired()
        assert [image.job_id for image in JobImage.objects.all()] == [active.pk]

    def test_jobs_logs_and_ledger_are_kept(self, new_job):
        new_job(Status.SUCCEEDED, now=timezone.now() - timedelta(days=400))
        before = [model.objects.count() for model in (VideoJob, JobEvent, Entry)]
        purge_expired()
        assert [model.objects.count() for model in (VideoJob, JobEvent, Entry)] == before

    def test_staged_files_are_removed_a_day_after_the_deadline(self, db, spool_folder, settings):
        settings.VIDEO_STORE_DEADLINE_HOURS = 48
        for name, hours in {"a.mp4": 73, "b.1.part": 73, "store-1-0.lock": 73, "c.mp4": 71}.items():
            (spool_folder / name).touch()
            then = time.time() - hours * 3600
            os.utime(spool_folder / name, (then, then))
        purge_expired()
        assert [path.name for path in spool_folder.iterdir()] == ["c.mp4"]

    def test_staged_videos_of_ended_jobs_are_removed(self, new_job, spool_folder):
        """Another machine has stored them."""
        storing, ended = new_job(Stage.STORING), new_job(Status.SUCCEEDED)
        for job_id in (storing.pk, ended.pk, uuid4()):
            (spool_folder / f"{job_id}.mp4").touch()
        purge_expired()
        assert [path.name for path in spool_folder.iterdir()] == [f"{storing.pk}.mp4"]

    def test_partial_files_of_a_job_are_removed_with_it(self, spool_folder):
        job, other = uuid4(), uuid4()
        for name in (f"{job}.mp4", f"{job}.1.part", f"{job}.22.part", f"{other}.1.part"):
            (spool_folder / name).touch()
        staging.delete(job)
        assert [path.name for path in spool_folder.iterdir()] == [f"{other}.1.part"]

    def test_lock_in_use_is_kept(self, db, spool_folder):
        with scheduler.storage_slot():
            pass
        [lock] = spool_folder.iterdir()
        os.utime(lock, (0, 0))
        with scheduler.storage_slot() as allowed:
            assert allowed
            purge_expired()
            assert lock.exists()

    def test_rows_are_removed_in_limited_batches(self, alice, monkeypatch):
        monkeypatch.setattr(cleanup, "BATCH_SIZE", 2)
        monkeypatch.setattr(cleanup, "MAX_BATCHES", 3)
        long_ago = timezone.now() - 48 * HOUR
        IdempotencyKey.objects.bulk_create(
            IdempotencyKey(user=alice, key=str(n), job_id=uuid4(), created_at=long_ago)
            for n in range(9)
        )
        left = []
        for _ in range(3):
            purge_expired()
            left.append(IdempotencyKey.objects.count())
        assert left == [3, 0, 0]

    def test_result_is_logged(self, db, lines):
        purge_expired()
        [line] = [line for line in lines() if line["logger"] == "jobs.worker.cleanup"]
        assert line["level"] == "INFO"
        assert set(line["purged"].values()) == {0}

    def test_cleanup_runs_every_hour(self, db):
        scheduler.prepare()
        scheduler.prepare()
        schedule = Schedule.objects.get(name="housekeeping")
        assert (schedule.func, schedule.schedule_type) == (
            "jobs.worker.tasks.purge_expired",
            Schedule.HOURLY,
        )
        assert schedule.repeats == -1
        tasks.purge_expired()


class TestPolling:
    @pytest.mark.slow
    def test_fifty_polls_add_no_row(self, new_job, monkeypatch, commits):
        """Fifty polls of a job that takes its time, each as a tick would make it."""
        job = new_job(prompt="[[slow:600]]", inputs=Inputs())
        steps.tick()
        self.poll(job)
        before = self.rows()
        for _ in range(50):
            self.poll(job)
        job.refresh_from_db()
        assert (job.status, job.stage) == (Status.RUNNING, Stage.GENERATING)
        assert self.rows() == before

    def poll(self, job):
        due = timezone.now() - timedelta(seconds=1)
        assert VideoJob.objects.filter(pk=job.pk).update(next_step_at=due)
        steps.tick()
        assert VideoJob.objects.filter(pk=job.pk, next_step_at__gt=due, crash_count=0).exists()

    def rows(self):
        return {
            model._meta.label: model._default_manager.count()
            for app in ("jobs", "django_q", "tokens_ledger")
            for model in apps.get_app_config(app).get_models()
        }
