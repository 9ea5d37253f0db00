"""Videos and jobs that go by age, and what stays."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from jobs import lifecycle, retention
from jobs.models import JobEvent, VideoJob, VideoRemoval
from jobs.stats import job_totals, prometheus, queries
from tests.api import JOBS
from tests.job_states import bring, kept, stored
from tokens_ledger import ledger
from tokens_ledger.models import Entry

pytestmark = pytest.mark.both  # locks

NOW = timezone.now()


@pytest.fixture
def old_job(new_job, many):
    """A job that was ordered and ended `days` ago."""

    def create(days, status="SUCCEEDED", **options):
        at = NOW - timedelta(days=days)
        job = new_job(status, now=at, **options)
        VideoJob.objects.filter(pk=job.pk).update(created_at=at)
        return kept(job)

    return create


@pytest.fixture(autouse=True)
def unset(settings):
    settings.VIDEO_KEEP_DAYS = settings.JOB_KEEP_DAYS = None


class TestVideos:
    def test_videos_go_after_their_days(self, settings, client, old_job):
        settings.VIDEO_KEEP_DAYS = 30
        old, young = old_job(31), old_job(29)
        before = client.job(young)
        assert retention.run(now=NOW) == {"videos": 1, "jobs": 0}
        shown = client.job(old)
        assert (shown["cloudinaryUrl"], shown["videoRemovedReason"]) == (None, "age")
        assert shown["logs"][-1]["message"] == "🗑️ Video removed after 30 days"
        assert client.job(young) == before
        assert retention.run(now=NOW) == {"videos": 0, "jobs": 0}
        assert [row.job_id for row in VideoRemoval.objects.filter(cause="age")] == [old.pk]

    def test_nothing_goes_while_unset(self, old_job):
        old_job(5000)
        assert retention.run(now=NOW) == {"videos": 0, "jobs": 0}

    def test_run_is_bounded(self, settings, monkeypatch, old_job):
        settings.VIDEO_KEEP_DAYS = settings.JOB_KEEP_DAYS = 30
        monkeypatch.setattr(retention, "BATCH_SIZE", 2)
        monkeypatch.setattr(retention, "MAX_BATCHES", 2)
        for days in range(31, 36):
            old_job(days)
        assert retention.run(now=NOW) == {"videos": 4, "jobs": 4}
        assert retention.run(now=NOW) == {"videos": 1, "jobs": 1}
        assert VideoRemoval.objects.count() == 5


class TestJobs:
    def test_ended_jobs_go_and_the_ledger_stays(self, settings, client, old_job, alice):
        settings.JOB_KEEP_DAYS = 90
        gone = [old_job(91, status) for status in ("SUCCEEDED", "FAILED", "CANCELLED")]
        stay = [old_job(89), old_job(91, "generating"), old_job(91, "PENDING")]
        VideoRemoval.objects.all().delete()
        entries, balance = Entry.objects.count(), ledger.balance(user=alice)
        text = prometheus.text().decode()
        ended = [line for line in text.splitlines() if "ended_jobs_total" in line]
        assert retention.run(now=NOW) == {"videos": 0, "jobs": 3}
        assert {job.pk for job in VideoJob.objects.all()} == {job.pk for job in stay}
        assert not JobEvent.objects.filter(job__in=[job.pk for job in gone]).exists()
        assert (Entry.objects.count(), ledger.balance(user=alice)) == (entries, balance)
        assert client.get(JOBS).json()["total"] == 3
        assert job_totals.repair() == 0
        text = prometheus.text().decode()
        assert [line for line in text.splitlines() if "ended_jobs_total" in line] == ended
        [removal] = VideoRemoval.objects.all()
        assert (removal.job_id, removal.cause) == (gone[0].pk, "age")
        call_command("check_ledger")

    def test_job_that_ended_lately_stays(self, settings, old_job):
        settings.JOB_KEEP_DAYS = 30
        job = old_job(31, "storing")
        lifecycle.succeed(job=job, video=stored(job), now=NOW)
        assert retention.run(now=NOW)["jobs"] == 0

    def test_jobs_of_several_users_are_counted(self, settings, old_job, alice, bob):
        settings.JOB_KEEP_DAYS = 30
        for user in (alice, bob, alice):
            old_job(31, user=user)
        bring(old_job(1, "storing", user=bob), "SUCCEEDED")
        assert retention.run(now=NOW)["jobs"] == 3
        assert job_totals.total(user_id=alice.pk) == 0
        assert job_totals.total(user_id=bob.pk, statuses=["SUCCEEDED"]) == 1


class TestNext:
    def test_overview_says_what_goes_next(self, settings, support, old_job):
        old_job(10), old_job(3)
        assert "removed next by age" not in support.get("/admin/").text
        settings.VIDEO_KEEP_DAYS, settings.JOB_KEEP_DAYS = 30, 90
        assert queries.next_by_age() == {
            "video": NOW + timedelta(days=20),
            "job": NOW + timedelta(days=80),
        }


class TestPlans:
    """Among many jobs, PostgreSQL reads the rows of one batch."""

    @pytest.mark.parametrize("go", [retention.remove_videos, retention.delete_jobs])
    def test_batch_is_found_by_index(self, settings, monkeypatch, sql, old_job, go):
        settings.VIDEO_KEEP_DAYS = settings.JOB_KEEP_DAYS = 30
        if connection.vendor == "sqlite":
            wanted = {retention.remove_videos: "job_video_age", retention.delete_jobs: "job_newest"}
            jobs = {
                retention.remove_videos: VideoJob.objects.with_video().filter(completed_at__lt=NOW),
                retention.delete_jobs: VideoJob.objects.ended().filter(
                    created_at__lt=NOW, completed_at__lt=NOW
                ),
            }
            plan = jobs[go][:500].explain()
            assert wanted[go] in plan, plan
            assert "TEMP B-TREE" not in plan, plan
            return
        old_job(31)
        sql(COPIES)
        sql("ANALYZE jobs_videojob")
        monkeypatch.setattr(retention, "BATCH_SIZE", 50)
        before = rows_read()
        assert go(before=NOW - timedelta(days=30), now=NOW) == 50
        assert rows_read() - before < 1000


COPIES = """
    INSERT INTO jobs_videojob
    SELECT copy.* FROM generate_series(1, 20000) AS n
    CROSS JOIN (SELECT * FROM jobs_videojob LIMIT 1) AS pattern
    CROSS JOIN LATERAL jsonb_populate_record(pattern::jobs_videojob, jsonb_build_object(
        'id', gen_random_uuid(),
        'created_at', pattern.created_at + n * interval '1 minute',
        'completed_at', pattern.completed_at + n * interval '1 minute'
    )) AS copy
"""


def rows_read():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) "
            "FROM pg_stat_xact_user_tables WHERE relname = 'jobs_videojob'"
        )
        return int(cursor.fetchone()[0])
