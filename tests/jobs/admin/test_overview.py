"""The admin's front page: correct, limited by permissions, and cheap enough to leave open."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from jobs.models import SubmissionGate, Tick, VideoJob
from jobs.stats import dashboard
from jobs.worker import scheduler, tasks
from tokens_ledger import ledger, reconciliation
from tokens_ledger.models import LedgerCheck

FRONT, FIGURES = "/admin/", "/admin/overview/"


def jobs():
    return dashboard.jobs(timezone.now())


def tokens():
    return dashboard.tokens(timezone.now())


class TestJobs:
    def test_are_counted_by_hour_and_outcome(self, new_job):
        for state in ("SUCCEEDED", "SUCCEEDED", "FAILED", "CANCELLED", "generating"):
            new_job(state)
        new_job(now=timezone.now() - timedelta(hours=30))
        figures = jobs()
        hour = figures["hours"][-1]
        assert (hour["succeeded"], hour["failed"], hour["cancelled"], hour["active"]) == (
            *(2, 1, 1, 1),
        )
        assert figures["total"]["rate"] == hour["rate"] == 66.7
        assert len(figures["hours"]) == 24
        assert figures["codes"] == [("safety.output", 1)]

    def test_have_their_durations(self, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = 100
        end = timezone.now()
        for seconds in range(1, 11):
            job = new_job("SUCCEEDED")
            VideoJob.objects.filter(pk=job.pk).update(
                started_at=end - timedelta(seconds=seconds), completed_at=end
            )
        assert jobs()["durations"]["whole"] == [("Mock", 6.0, 10.0, 10)]
        assert jobs()["durations"]["rows"][-1][1] == [(6.0), (10.0)]

    def test_have_a_queue(self, new_job):
        new_job("generating")
        new_job(now=timezone.now() - timedelta(minutes=3))
        found = jobs()["queue"]
        assert (found["waiting"], found["running"]) == (1, 1)
        assert 179 < found["oldest_wait"] < 200

    def test_of_none_are_no_trouble(self, db):
        figures = jobs()
        assert figures["total"]["rate"] is None
        assert figures["durations"]["whole"] == []
        assert figures["queue"]["oldest_wait"] == 0


class TestClusters:
    def test_are_seen_by_the_tick(self, db):
        assert not jobs()["clusters"]["ever"]
        scheduler.prepare()
        token = Tick.objects.get().token
        scheduler.take_tick(token=token, now=timezone.now())
        clusters = jobs()["clusters"]
        assert clusters["alive"]
        assert clusters["tick_age"] < 2
        assert clusters["tasks"] >= 1

    def test_that_are_silent_are_said_to_be(self, support):
        Tick.objects.update(next_at=timezone.now() - timedelta(minutes=4))
        assert "silent for 4 min" in support.get(FRONT).text

    def test_that_were_asked_to_slow_down_say_so(self, support):
        SubmissionGate.objects.update(opens_at=timezone.now() + timedelta(minutes=1))
        assert "nothing is submitted until" in support.get(FRONT).text


class TestTokens:
    def test_are_summed_by_day_and_kind(self, alice, new_job):
        new_job("FAILED")
        ledger.adjust(user=alice, amount=-7, note="")
        figures = tokens()
        assert figures["kinds"] == ["Grant", "Charge", "Refund", "Adjustment"]
        assert figures["days"][-1][1] == [1000, 50, 50, -7]
        assert len(figures["days"]) == 14


class TestLedger:
    def test_is_unknown_until_it_is_checked(self, support):
        assert "never checked" in support.get(FRONT).text

    def test_is_in_order_after_a_check(self, support, alice):
        call_command("check_ledger")
        text = support.get(FRONT).text
        assert "in order" in text
        assert LedgerCheck.objects.get().entries == 1

    def test_is_checked_by_the_workers_every_hour(self, alice):
        from django_q.models import Schedule

        scheduler.prepare()
        assert Schedule.objects.get(func="jobs.worker.tasks.check_ledger").schedule_type == "H"
        tasks.check_ledger()
        assert LedgerCheck.objects.get().findings == 0

    def test_tells_what_is_wrong(self, support, alice, new_job):
        job = new_job("SUCCEEDED")
        VideoJob.objects.filter(pk=job.pk).update(tokens_refunded=50)
        tasks.check_ledger()
        text = support.get(FRONT).text
        assert "1 finding" in text
        assert f"Job {job.pk} shows a refund that the ledger lacks." in text

    def test_is_said_to_be_old_news(self, support, alice):
        call_command("check_ledger")
        LedgerCheck.objects.update(ran_at=timezone.now() - timedelta(hours=5))
        assert tokens()["ledger"]["is_old"]
        assert 'class="unknown"' in support.get(FRONT).text

    def test_that_was_not_checked_to_the_end_is_not_said_to_be_in_order(self, support):
        checked(completed=False)
        text = support.get(FRONT).text
        assert "check not completed" in text
        assert "in order" not in text
        assert 'class="unknown"' in text

    def test_that_was_not_checked_to_the_end_shows_what_was_found(self, support):
        checked(completed=False, findings=1, first_findings="Job 7 was never charged.")
        text = support.get(FRONT).text
        assert "1 finding" in text
        assert "check not completed" in text
        assert "Job 7 was never charged." in text
        assert 'class="bad"' in text

    @pytest.mark.only_on("postgresql")
    def test_check_that_takes_too_long_stops_in_the_worker(
        self, support, alice, settings, monkeypatch
    ):
        settings.LEDGER_AUDITS = [f"{__name__}.a_rule_that_takes_too_long"]
        monkeypatch.setattr(reconciliation, "MAX_SECONDS", 0.5)
        tasks.check_ledger()
        assert "check not completed" in support.get(FRONT).text


def a_rule_that_takes_too_long():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")
    yield "This was not found in time."


def checked(**outcome):
    """A check of the ledger that has just ended."""
    LedgerCheck.objects.create(
        **{"ran_at": timezone.now(), "seconds": 180, "findings": 0} | outcome
    )


class TestPage:
    def test_shows_the_figures_as_tables_too(self, support, new_job):
        new_job("FAILED")
        text = support.get(FRONT).text
        assert text.count("<canvas") == text.count("<details><summary>Table</summary>") == 5
        assert "/static/staff/vendor/chart-4.6.1.umd.min.js" in text
        assert "?error_code=safety.output" in text

    def test_renews_its_figures_alone(self, support, new_job):
        answer = support.get(FIGURES)
        assert answer.status_code == 200
        assert "<html" not in answer.text

    def test_is_for_staff(self, anonymous, client, alice):
        anonymous.force_login(alice)
        for browser in (anonymous, client):
            for page in (FRONT, FIGURES):
                assert browser.get(page).status_code == 302

    def test_hides_figures_from_who_may_not_look(self, browser_of, new_job):
        new_job()
        browser = browser_of(User.objects.create_user("new", is_staff=True))
        text = browser.get(FRONT).text
        assert "Oldest wait" not in text
        assert "<canvas" not in text

    def test_costs_few_queries_and_almost_none_for_the_next(self, support, new_job):
        new_job("SUCCEEDED")
        cache.clear()
        with CaptureQueriesContext(connection) as first:
            support.get(FIGURES)
        with CaptureQueriesContext(connection) as second:
            support.get(FIGURES)
        assert len(first) < 30
        assert len(second) <= 6  # session, user, permissions, the cached figures

    @pytest.mark.parametrize("n", [1, 12])
    def test_costs_as_many_queries_for_many_jobs(self, new_job, settings, n):
        settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 100
        for _ in range(n):
            new_job("SUCCEEDED")
        with CaptureQueriesContext(connection) as captured:
            jobs(), tokens()
        assert len(captured) == 8
