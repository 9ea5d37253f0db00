"""`/metrics`: access, and correct figures."""

from contextlib import suppress
from datetime import timedelta
from math import inf
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.utils import timezone
from google.genai import errors

from jobs import lifecycle
from jobs.models import (
    Heartbeat,
    Stage,
    Status,
    SubmissionGate,
    Tally,
    Tick,
    VideoJob,
    WebhookDelivery,
)
from jobs.providers import veo
from jobs.providers.base import ProviderError, Running
from jobs.stats import counters, periodic, prometheus
from jobs.storage.base import StorageError
from jobs.worker import step_failures, steps
from tests.core.conftest import TOKEN
from tokens_ledger import ledger, reconciliation
from tokens_ledger.models import Account, LedgerCheck

pytestmark = [pytest.mark.both, pytest.mark.slow]  # the figures of each kind of database


class TestEndpoint:
    @pytest.mark.parametrize("sent", [f"Bearer {TOKEN}", "Bearer "])
    def test_metrics_are_404_without_a_configured_token(self, anonymous, settings, sent):
        settings.METRICS_TOKEN = ""
        assert anonymous.get("/metrics", headers={"authorization": sent}).status_code == 404

    def test_fallback_token_is_accepted(self, anonymous, metrics_token, settings):
        settings.METRICS_TOKEN_FALLBACKS = ["the-next-token"]
        for token in (TOKEN, "the-next-token"):
            headers = {"authorization": f"Bearer {token}"}
            assert anonymous.get("/metrics", headers=headers).status_code == 200

    @pytest.mark.parametrize("sent", ["", "Bearer", TOKEN, f"Bearer {TOKEN}x", "é"])
    def test_wrong_or_missing_token_is_401(self, anonymous, metrics_token, sent):
        answer = anonymous.get("/metrics", headers={"authorization": sent})
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_post_is_405(self, anonymous, metrics_token):
        assert anonymous.post("/metrics").status_code == 405

    @pytest.mark.django_db
    def test_metrics_without_the_database_are_those_of_the_processes(self, scrape, monkeypatch):
        def fail():
            raise OperationalError("10.0.0.7")

        scrape()
        monkeypatch.setattr("jobs.stats.database.round_trip_seconds", fail)
        found = scrape()
        assert found["database_up"] == 0
        assert found["http_requests_total"]["GET", "/metrics", "200"] >= 1
        assert "active_jobs" not in found

    def test_metrics_of_an_empty_service_are_zero(self, scrape, db):
        Tick.objects.update(next_at=timezone.now() + timedelta(seconds=1))
        found = scrape()
        assert set(found["active_jobs"].values()) == {0}
        assert len(found["active_jobs"]) == 4
        assert found["tokens_total"] == {("grant",): 0, ("charge",): 0, ("refund",): 0}
        assert 0 <= found["tick_age_seconds"] < 1
        for name in (
            *("queue_depth", "oldest_wait_seconds", "upstream_in_flight"),
            *("unstored_videos", "oldest_unstored_seconds", "webhook_oldest_due_seconds"),
            *("gate_closed_seconds", "ledger_imbalance_tokens", "held_jobs"),
            *("ledger_check_completed", "ledger_check_findings"),
        ):
            assert found[name] == 0, name
        assert found["ledger_check_age_seconds"] == inf
        assert found["webhook_deliveries_total"] == {("delivered",): 0, ("failed",): 0}


@pytest.mark.usefixtures("commits")
class TestJobs:
    def test_active_jobs_are_counted_by_status_and_stage(self, scrape, new_job, many):
        for state in (Stage.SUBMITTING, Stage.GENERATING, Stage.GENERATING, Stage.STORING):
            new_job(state, mock_mode=False)
        for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED):
            new_job(status)
        new_job(Stage.GENERATING, mock_mode=True)  # takes no place upstream
        new_job(now=timezone.now() - timedelta(seconds=90))
        new_job()
        found = scrape()
        assert found["active_jobs"] == {
            ("", "PENDING"): 2,
            ("submitting", "RUNNING"): 1,
            ("generating", "RUNNING"): 3,
            ("storing", "RUNNING"): 1,
        }
        assert found["queue_depth"] == 2
        assert 90 <= found["oldest_wait_seconds"] < 100
        assert found["upstream_in_flight"] == 3

    def test_videos_that_cannot_be_stored_are_counted_with_their_age(self, scrape, new_job):
        new_job(Stage.STORING)
        for minutes in (20, 10):
            job, now = new_job(Stage.STORING), timezone.now()
            VideoJob.objects.filter(pk=job.pk).update(generated_at=now - timedelta(minutes=minutes))
            lifecycle.step_failed(job=job, error=StorageError("full", retryable=True), now=now)
        found = scrape()
        assert found["unstored_videos"] == 2
        assert 1200 <= found["oldest_unstored_seconds"] < 1210

    def test_ended_jobs_are_counted_once_and_kept_after_deletion(self, scrape, new_job):
        ended = [
            new_job(status)
            for status in (Status.SUCCEEDED, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)
        ]
        expected = {("", "SUCCEEDED"): 2, ("safety.output", "FAILED"): 1, ("", "CANCELLED"): 1}
        assert scrape()["ended_jobs_total"] == expected
        for job in ended:
            assert not lifecycle.fail(job=job, failure=step_failures.TOO_LATE, now=timezone.now())
            lifecycle.delete(job=job, now=timezone.now())
        assert scrape()["ended_jobs_total"] == expected

    def test_generation_time_is_counted_in_buckets(self, scrape, new_job):
        start = timezone.now()
        job = new_job(Stage.GENERATING)
        assert lifecycle.generated(job=job, now=start + timedelta(seconds=50))
        job.refresh_from_db()
        assert job.generated_at == start + timedelta(seconds=50)
        counters.observe(name=counters.GENERATION, kind="mock", seconds=5000)
        found = scrape()
        buckets = found["generation_seconds_bucket"]
        assert [buckets[le, "mock"] for le in ("45", "60", "1200", "+Inf")] == [0, 1, 1, 2]
        assert found["generation_seconds_count"] == {("mock",): 2}
        assert found["generation_seconds_sum"]["mock",] == pytest.approx(5050, abs=2)

    def test_storage_time_is_counted_in_buckets(self, scrape, new_job):
        new_job(Status.SUCCEEDED)
        found = scrape()
        assert found["storage_seconds_count"] == {("mock",): 1}
        assert found["storage_seconds_bucket"]["1", "mock"] == 1

    def test_closed_gate_shows_its_seconds(self, scrape, db):
        SubmissionGate.objects.update(opens_at=timezone.now() + timedelta(seconds=30))
        assert 25 < scrape()["gate_closed_seconds"] <= 30


class TestLedgerCheck:
    def check(self, age=timedelta(0), **outcome):
        usual = {"ran_at": timezone.now() - age, "seconds": 1, "findings": 0}
        LedgerCheck.objects.create(**usual | outcome)

    def figures(self, scrape):
        found = scrape()
        names = ("age_seconds", "completed", "findings")
        return [found[f"ledger_check_{name}"] for name in names]

    def test_newest_check_is_shown(self, scrape, db):
        self.check(age=timedelta(hours=2), findings=7)
        self.check(age=timedelta(hours=1))
        age, *outcome = self.figures(scrape)
        assert 3600 <= age < 3610
        assert outcome == [1, 0]

    def test_check_that_ran_is_shown(self, scrape, alice):
        reconciliation.run(now=timezone.now())
        age, *outcome = self.figures(scrape)
        assert 0 <= age < 10
        assert outcome == [1, 0]

    def test_incomplete_check_keeps_age_and_findings_of_earlier_ones(self, scrape, db):
        self.check(age=timedelta(hours=3), findings=7)
        self.check(age=timedelta(hours=2), findings=8, completed=False)
        self.check(age=timedelta(hours=1), completed=False)
        age, *outcome = self.figures(scrape)
        assert 10800 <= age < 10810
        assert outcome == [0, 8]

    def test_check_that_never_completed_has_infinite_age(self, scrape, db):
        self.check(findings=2, completed=False)
        assert self.figures(scrape) == [inf, 0, 2]


@pytest.mark.usefixtures("commits")
class TestUpstreamAnswers:
    @pytest.fixture
    def google(self, monkeypatch):
        """Answers each poll with the next of `answers`."""
        answers: list[object] = []

        class Google:
            def poll(self, *, operation, into):
                answer = answers.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer

        monkeypatch.setattr(steps, "provider_for", lambda *, mock_mode: Google())
        return answers

    def poll(self, jobs):
        VideoJob.objects.filter(pk__in=[job.pk for job in jobs]).update(
            next_step_at=timezone.now() - timedelta(seconds=1)
        )
        steps.poll_due()

    def test_answers_are_counted_by_call_and_code(self, scrape, new_job, google):
        job = new_job(Stage.GENERATING, mock_mode=False)
        refused = ProviderError(code="c", message="m", retryable=True, status=429)
        broken = ProviderError(code="c", message="m", retryable=True)
        for answer in (Running(), Running(), refused, broken, KeyError()):
            google.append(answer)
            self.poll([job])
        assert scrape()["upstream_answers_total"] == {
            ("poll", "ok"): 2,
            ("poll", "429"): 1,
            ("poll", "ProviderError"): 1,
            ("poll", "KeyError"): 1,
        }

    def test_answers_of_one_pass_are_written_together(self, new_job, google, monkeypatch):
        jobs = [new_job(Stage.GENERATING, mock_mode=False) for _ in range(3)]
        written = []
        monkeypatch.setattr(counters, "inc", lambda **figures: written.append(figures))
        google += [Running()] * 3
        self.poll(jobs)
        assert written == [{"name": counters.ANSWERS, "kind": "poll", "value": "ok", "count": 3}]

    @pytest.mark.parametrize("translate", [veo._refused_submission, veo._failed_poll])
    def test_error_of_google_keeps_its_status(self, translate):
        model = ["veo-9"] if translate is veo._refused_submission else []
        for status in (400, 404, 429, 500, 503):
            assert translate(errors.APIError(status, {}), *model).status == status

    def test_answers_of_the_mock_are_not_counted(self, new_job, google):
        job = new_job(Stage.GENERATING, mock_mode=True)
        google.append(Running())
        self.poll([job])
        assert not Tally.objects.filter(name=counters.ANSWERS).exists()


class TestTallies:
    def test_tally_is_written_after_the_commit(self, db, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            counters.inc(name="n", kind="k", value="v")
            assert not Tally.objects.exists()
        tally = Tally.objects.get()
        assert (tally.count, tally.seconds) == (1, 0)

    def test_tally_that_cannot_be_written_raises_nothing(
        self, db, monkeypatch, django_capture_on_commit_callbacks
    ):
        def fail(*figures):
            raise OperationalError("gone")

        monkeypatch.setattr(counters, "_write", fail)
        with django_capture_on_commit_callbacks(execute=True):
            counters.inc(name="n", kind="k", value="v")


class TestTokens:
    def test_tokens_are_summed_by_kind(self, scrape, new_job):
        job = new_job(Status.FAILED)
        new_job()
        ledger.adjust(user=job.user, amount=-30, note="For tests")
        found = scrape()
        assert found["tokens_total"] == {("grant",): 1000, ("charge",): 100, ("refund",): 50}
        assert found["ledger_imbalance_tokens"] == 0

    def test_sums_of_a_check_and_of_newer_entries_are_added(self, scrape, new_job, alice):
        new_job(Status.FAILED)
        later = timezone.now() + timedelta(hours=1)
        check, _ = reconciliation.run(now=later)
        assert check.sums == {"grant": 1000, "charge": -50, "refund": 50, "adjustment": 0}
        new_job()
        newest = ledger.adjust(user=alice, amount=-30, note="For tests")
        assert newest.pk > (check.summed_until or 0)
        found = scrape()
        assert found["tokens_total"] == {("grant",): 1000, ("charge",): 100, ("refund",): 50}
        assert found["ledger_imbalance_tokens"] == 0
        assert found["tokens_outstanding"] == 920

    def test_newest_entries_are_not_in_the_sums_of_a_check(self, scrape, new_job):
        new_job()  # a transaction with an entry of a smaller id may still be open
        check, _ = reconciliation.run(now=timezone.now())
        assert check.summed_until == 0
        assert scrape()["tokens_total"]["charge",] == 50

    def test_check_that_was_not_completed_is_not_used(self, scrape, new_job):
        new_job()
        LedgerCheck.objects.create(ran_at=timezone.now(), seconds=180, findings=0, completed=False)
        assert scrape()["tokens_total"]["charge",] == 50

    def test_imbalance_of_the_ledger_is_shown(self, scrape, alice, unguarded):
        with unguarded():  # as a restored backup might have it
            Account.objects.update(balance=F("balance") + 7)
        assert ledger.balance(user=alice) == 1007
        assert scrape()["ledger_imbalance_tokens"] == 7


class TestProcesses:
    def test_processes_are_counted_by_kind_and_version(self, scrape, db):
        now = timezone.now()
        for number, (kind, version, age) in enumerate(
            [("cluster", "a", 1), ("cluster", "b", 5), ("cluster", "b", 90), ("web", "b", 2)]
        ):
            Heartbeat.objects.create(
                kind=kind,
                host="box",
                pid=number,
                version=version,
                started_at=now,
                seen_at=now - timedelta(seconds=age),
            )
        found = scrape()
        assert found["processes"] == {("cluster", "a"): 1, ("cluster", "b"): 1, ("web", "b"): 1}
        assert found["silent_processes"] == {("cluster",): 1, ("web",): 0}
        assert 90 <= found["oldest_heartbeat_age_seconds"]["cluster",] < 100

    def test_last_runs_of_periodic_tasks_are_shown(self, scrape, db):
        with periodic.recorded(periodic.HOUSEKEEPING):
            pass
        with suppress(ZeroDivisionError), periodic.recorded(periodic.LEDGER_CHECK):
            raise ZeroDivisionError
        found = scrape()
        assert 0 <= found["periodic_task_success_age_seconds"]["housekeeping",] < 10
        assert 0 <= found["periodic_task_started_age_seconds"]["ledger check",] < 10
        assert found["periodic_task_success_age_seconds"]["ledger check",] == inf
        assert found["periodic_task_failed"] == {
            ("tick",): 0,
            ("revival of the tick",): 0,
            ("housekeeping",): 0,
            ("ledger check",): 1,
        }


QUERIES = 15 if connection.vendor == "sqlite" else 17


class TestCost:
    def test_queries_do_not_grow_with_the_rows(self, new_job, many, django_assert_num_queries):
        prometheus.text()  # adds up the accounts
        with django_assert_num_queries(QUERIES):
            prometheus.text()
        for state in (Status.PENDING, *Stage, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED):
            new_job(state)
        with django_assert_num_queries(QUERIES) as asked:
            prometheus.text()
        statements = " ".join(query["sql"] for query in asked.captured_queries)
        assert "jobevent" not in statements
        assert "jobimage" not in statements


@pytest.mark.usefixtures("commits")
class TestWebhooks:
    def test_outcomes_and_the_oldest_due_delivery(self, scrape, alice):
        now = timezone.now()
        for minutes in (1, 3):
            WebhookDelivery.objects.create(
                user=alice,
                job_id=uuid4(),
                type="video_job.failed",
                url="https://hooks.example.com/",
                host="hooks.example.com",
                from_order=False,
                body="{}",
                next_try_at=now - timedelta(minutes=minutes),
                created_at=now,
            )
        counters.inc(name=counters.WEBHOOKS, kind="delivered", value="")
        found = scrape()
        assert 180 <= found["webhook_oldest_due_seconds"] < 190
        assert found["webhook_deliveries_total"] == {("delivered",): 1, ("failed",): 0}
