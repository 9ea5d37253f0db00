"""The admin's front page: correct, limited by permissions, and cheap enough to leave open."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Schedule

from accounts.models import User
from jobs.models import Heartbeat, SubmissionGate, Tick, VideoJob
from jobs.monitor import figures as monitor_figures
from jobs.stats import dashboard, periodic
from jobs.worker import scheduler, tasks
from tokens_ledger import ledger
from tokens_ledger.models import LedgerCheck

pytestmark = pytest.mark.slow

FRONT, FIGURES = "/admin/", "/admin/overview/"


def jobs():
    return dashboard.jobs(timezone.now())


def tokens():
    return dashboard.tokens(timezone.now())


class TestJobs:
    def test_jobs_are_counted_by_hour_and_outcome(self, new_job):
        for state in ("SUCCEEDED", "SUCCEEDED", "FAILED", "CANCELLED", "generating"):
            new_job(state)
        new_job(now=timezone.now() - timedelta(hours=30))
        figures = jobs()
        hour = figures["hours"][-1]
        assert [cell["count"] for cell in hour["cells"]] == [2, 1, 1, 1]
        assert figures["total"]["rate"] == hour["rate"] == 100
        assert len(figures["hours"]) == 24
        assert figures["codes"] == [("safety.output", 1)]

    def test_success_rate_is_that_of_the_monitor(self, new_job):
        """Orders that the safety filter refused are not counted."""
        for code in ("safety.output", "safety.prompt", "internal"):
            job = new_job("FAILED")
            VideoJob.objects.filter(pk=job.pk).update(error_code=code)
        new_job("SUCCEEDED")
        of_monitor = monitor_figures.read(now=timezone.now()).success_rate
        assert jobs()["total"]["rate"] == of_monitor == 50

    def test_each_figure_links_to_the_jobs_that_it_counts(self, support, new_job):
        for state in ("SUCCEEDED", "SUCCEEDED", "FAILED", "CANCELLED", "generating", "PENDING"):
            new_job(state)
        cells = re.findall(r'<td><a href="([^"]+)">(\d+)</a></td>', support.get(FRONT).text)
        links = {unescape(link): int(count) for link, count in cells if "status__" in link}
        assert sorted(links.values()) == [1, 1, 2, 2]
        for link, count in links.items():
            assert support.get(link).context_data["cl"].result_count == count, link

    def test_failures_by_code_link_to_the_jobs_that_they_count(self, support, new_job):
        first = jobs()["hours"][0]["at"]
        for ordered in (timezone.now(), first, first - timedelta(seconds=1)):
            new_job("FAILED", now=ordered)
        [link, count] = re.findall(
            r'<a href="([^"]+)">safety.output</a></th><td>(\d+)</td>', support.get(FRONT).text
        )[0]
        assert int(count) == 2
        assert support.get(unescape(link)).context_data["cl"].result_count == 2

    def test_durations_are_median_and_95th_percentile(self, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 100
        end = timezone.now()
        for seconds in range(1, 11):
            job = new_job("SUCCEEDED")
            VideoJob.objects.filter(pk=job.pk).update(
                started_at=end - timedelta(seconds=seconds), completed_at=end
            )
        assert jobs()["durations"]["whole"] == [("Mock", 6.0, 10.0, 10)]
        assert jobs()["durations"]["rows"][-1][1] == [(6.0), (10.0)]

    def test_queue_shows_waiting_running_and_oldest_wait(self, new_job):
        new_job("generating")
        new_job(now=timezone.now() - timedelta(minutes=3))
        found = jobs()["queue"]
        assert (found["waiting"], found["running"]) == (1, 1)
        assert 179 < found["oldest_wait"] < 200

    def test_figures_without_jobs_are_empty(self, db):
        figures = jobs()
        assert figures["total"]["rate"] is None
        assert figures["durations"]["whole"] == []
        assert figures["queue"]["oldest_wait"] == 0


class TestClusters:
    def test_cluster_is_alive_after_its_tick(self, db):
        assert not jobs()["clusters"]["ever"]
        scheduler.prepare()
        token = Tick.objects.get().token
        scheduler.take_tick(token=token, now=timezone.now())
        clusters = jobs()["clusters"]
        assert clusters["alive"]
        assert clusters["tick_age"] < 2
        assert clusters["tasks"] >= 1

    def test_outage_is_named_and_late_jobs_are_counted_with_a_link(self, support, new_job):
        now = timezone.now()
        job = new_job("generating")
        new_job(now=now - timedelta(minutes=9))
        SubmissionGate.objects.update(opens_at=now + timedelta(minutes=1))
        VideoJob.objects.filter(pk=job.pk).update(next_step_at=now - timedelta(minutes=1))
        Tick.objects.update(next_at=now - timedelta(minutes=4))
        page = support.get(FRONT).text
        assert "The workers have not responded since" in page
        assert "silent for 4 min" in page
        assert "nothing is submitted until" in page
        for kind in ("stuck", "waiting"):
            assert f'<a href="/admin/jobs/videojob/?late={kind}">1</a>' in page


class TestProcesses:
    def test_processes_and_periodic_tasks_are_in_tables(self, support):
        now = timezone.now()
        Heartbeat.objects.create(
            kind="cluster",
            host="box-2",
            pid=4711,
            version="abc",
            started_at=now,
            seen_at=now - timedelta(minutes=5),
        )
        with periodic.recorded(periodic.HOUSEKEEPING):
            pass
        page = support.get(FRONT).text
        for text in ("box-2", "4711", "silent", "housekeeping", "never ran", "never checked"):
            assert text in page


class TestTokens:
    def test_tokens_are_summed_by_day_and_kind_with_links_to_the_entries(
        self, support, alice, new_job
    ):
        new_job("FAILED")
        ledger.adjust(user=alice, amount=-7, note="")
        cells = re.findall(r'<td><a href="([^"]+)">(-?[\d,]+)</a></td>', support.get(FRONT).text)
        sums = {unescape(link): text for link, text in cells if "kind__" in link}
        assert sorted(sums.values()) == ["-7", "1,000", "50", "50"]
        for link, text in sums.items():
            shown = dict(support.get(link).context_data["sums"])["Total"]
            assert shown.lstrip("+-") == text.lstrip("-")
        figures = tokens()
        assert figures["kinds"] == ["Grant", "Charge", "Refund", "Adjustment"]
        assert [cell["sum"] for cell in figures["days"][-1]["cells"]] == [1000, 50, 50, -7]
        assert len(figures["days"]) == 14


class TestLedger:
    def test_checked_ledger_is_shown_in_order(self, support, alice):
        call_command("check_ledger")
        text = support.get(FRONT).text
        assert "in order" in text
        assert LedgerCheck.objects.get().entries == 1

    def test_workers_check_the_ledger_every_hour(self, alice):
        scheduler.prepare()
        assert Schedule.objects.get(func="jobs.worker.tasks.check_ledger").schedule_type == "H"
        tasks.check_ledger()
        assert LedgerCheck.objects.get().findings == 0

    def test_findings_are_shown(self, support, alice, new_job):
        job = new_job("SUCCEEDED")
        VideoJob.objects.filter(pk=job.pk).update(tokens_refunded=50)
        tasks.check_ledger()
        text = support.get(FRONT).text
        assert "1 finding" in text
        assert f"Job {job.pk} shows a refund that the ledger lacks." in text

    def test_old_check_is_shown_as_unknown(self, support, alice):
        call_command("check_ledger")
        LedgerCheck.objects.update(ran_at=timezone.now() - timedelta(hours=5))
        assert tokens()["ledger"]["is_old"]
        assert 'class="unknown"' in support.get(FRONT).text

    @pytest.mark.parametrize(("findings", "light"), [(0, "unknown"), (1, "bad")])
    def test_incomplete_check_is_not_shown_in_order(self, support, findings, light):
        LedgerCheck.objects.create(
            ran_at=timezone.now(),
            seconds=180,
            completed=False,
            findings=findings,
            first_findings="Job 7 was never charged." if findings else "",
        )
        text = support.get(FRONT).text
        assert "check not completed" in text
        assert "in order" not in text
        assert f'class="{light}"' in text
        assert ("1 finding" in text) == ("Job 7 was never charged." in text) == bool(findings)


class TestPage:
    def test_charts_have_tables(self, support, new_job):
        new_job("FAILED")
        text = support.get(FRONT).text
        assert text.count("<canvas") == text.count("<details><summary>Table</summary>") == 5
        assert "/static/staff/vendor/chart-4.6.1.umd.min.js" in text
        assert "?error_code=safety.output" in text

    def test_staff_without_permission_see_no_figures(self, browser_of, new_job):
        new_job()
        browser = browser_of(User.objects.create_user("new", is_staff=True))
        text = browser.get(FRONT).text
        assert "Oldest wait" not in text
        assert "<canvas" not in text

    def test_staff_who_may_see_only_entries_see_the_tokens(self, browser_of, new_job):
        new_job()
        user = User.objects.create_user("new", is_staff=True)
        user.user_permissions.add(Permission.objects.get(codename="view_entry"))
        text = browser_of(user).get(FRONT).text
        assert "Tokens by day" in text
        assert "Ledger</dt>" in text
        assert "Oldest wait" not in text
        assert text.count("<figure") == 1

    def test_fragment_of_the_figures_takes_few_queries_the_second_time(self, support, new_job):
        new_job("SUCCEEDED")
        cache.clear()
        with CaptureQueriesContext(connection) as first:
            support.get(FIGURES)
        with CaptureQueriesContext(connection) as second:
            answer = support.get(FIGURES)
        assert answer.status_code == 200
        assert "<html" not in answer.text
        assert len(first) < 45
        assert len(second) <= 6  # session, user, permissions, the cached figures

    def test_queries_do_not_grow_with_the_jobs(self, new_job, many):
        for _ in range(12):
            new_job("SUCCEEDED")
        with CaptureQueriesContext(connection) as captured:
            jobs(), tokens()
        assert len(captured) == 19
