"""The list of jobs: search, filters, export, and the same cost for many jobs as for few."""

import csv
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import VideoJob
from jobs.stats import estimates
from tests.job_states import kept
from tests.staff_site import LIST
from tokens_ledger import ledger
from tokens_ledger.models import Entry
from videostudio.core.admin import CappedPaginator, escape_formula


def listed(browser, **query):
    answer = browser.get(LIST, query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


@pytest.fixture
def roomy(settings, alice):
    ledger.grant(user=alice, amount=100_000, note="")
    settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 1000


class TestRows:
    def test_say_what_a_mail_asks_for(self, support, new_job):
        new_job("FAILED", prompt="A lighthouse at dusk")
        text = support.get(LIST).text
        for shown in (
            '<span class="label label-failed">FAILED</span>',
            '<span class="label label-mock">mock</span>',
            "safety.output",
            "A lighthouse at dusk",
            "alice@example.com",
            "veo-3.1-fast-generate-preview",
            '<span class="label label-refunded">refunded</span>',
        ):
            assert shown in text

    def test_show_how_far_a_running_job_is(self, support, new_job):
        job = new_job("generating")
        VideoJob.objects.filter(pk=job.pk).update(progress_percentage=37)
        text = support.get(LIST).text
        assert '<progress max="100" value="37"' in text
        assert "37 %" in text
        assert "so far" in text

    def test_escape_what_users_wrote(self, support, new_job):
        new_job(prompt="<script>alert(1)</script>")
        assert "<script>alert(1)" not in support.get(LIST).text


class TestSearch:
    @pytest.fixture
    def needle(self, new_job, bob):
        for _ in range(2):
            new_job("CANCELLED", user=bob)
        return new_job("CANCELLED", prompt="A needle in Ümläut's haystack, at dawn")

    @pytest.mark.parametrize("term", [
        *("needle", "NEEDLE", "hay", "dawn needle", "alice", "ALICE", "alice@", "example alice"),
        *("  needle  ", '"needle"', "haystack,", "<alice@example.com>", "Ümläut", "needle."),
    ])  # fmt: skip
    def test_finds_by_any_word(self, support, needle, term):
        assert listed(support, q=term) == [needle]

    @pytest.mark.parametrize("cut", [
        str, lambda id: id.hex, lambda id: str(id)[:8], lambda id: str(id)[:13],
        lambda id: str(id).upper(), lambda id: f"({id})", lambda id: id.hex[:11],
    ])  # fmt: skip
    def test_finds_by_the_id_or_its_beginning(self, support, needle, cut):
        assert listed(support, q=cut(needle.pk)) == [needle]

    def test_finds_by_a_part_of_the_id(self, support, needle):
        assert needle in listed(support, q=str(needle.pk).split("-")[-1])

    def test_finds_by_the_users_id(self, support, needle, alice):
        assert listed(support, q=str(alice.pk)) == [needle]
        assert listed(support, q=str(alice.pk)[:8]) == [needle]

    def test_finds_by_the_operation(self, support, new_job):
        job = new_job("generating")
        assert listed(support, q=job.operation) == [job]

    @pytest.mark.parametrize("term", ["needle bob", "nothing", "%", "_", "needle%", "'; --", "\\"])
    def test_finds_nothing_where_there_is_nothing(self, support, needle, term):
        assert listed(support, q=term) == []

    @pytest.mark.parametrize("term", ["", "   ", " , ", "x" * 5000, "a\x00b", "a " * 3000])
    def test_bears_nonsense(self, support, needle, term):
        assert support.get(LIST, {"q": term}).status_code == 200

    def test_reads_the_prompts_of_the_newest_jobs_alone(
        self, support, needle, new_job, monkeypatch
    ):
        monkeypatch.setattr("jobs.admin.search.READ", 2)
        for _ in range(3):
            new_job("CANCELLED")
        assert listed(support, q="needle") == []
        assert listed(support, q=str(needle.pk)[:8]) == [needle]


class TestFilters:
    def test_know_the_error_codes(self, support, new_job):
        failed = new_job("FAILED")
        new_job("SUCCEEDED")
        assert listed(support, error_code="safety.output") == [failed]
        assert listed(support, error_code="internal") == []

    def test_know_what_was_refunded(self, support, new_job):
        failed, succeeded = new_job("FAILED"), new_job("SUCCEEDED")
        assert listed(support, tokens="refunded") == [failed]
        assert listed(support, tokens="kept") == [succeeded]
        assert listed(support, tokens="free") == []

    def test_know_the_model_and_the_mock(self, support, new_job):
        real = new_job(model="veo-3.1-generate-001", mock_mode=False)
        new_job()
        assert listed(support, model="veo-3.1-generate-001") == [real]
        assert listed(support, mock_mode__exact="0") == [real]

    def test_know_the_time(self, support, new_job):
        new_job(now=timezone.now() - timedelta(hours=2))
        young = new_job()
        assert listed(support, ordered="hour") == [young]
        assert len(listed(support, ordered="day")) == 2
        start = f"{timezone.now() - timedelta(minutes=30):%Y-%m-%dT%H:%M}"
        assert listed(support, ordered_from=start) == [young]
        assert young not in listed(support, ordered_to=start)

    @pytest.mark.parametrize("query", [
        {"ordered_from": "nonsense"}, {"ordered_to": "2026-99-99T00:00"}, {"ordered": "nonsense"},
        {"tokens": "nonsense"}, {"error_code": "x" * 3000}, {"p": "1"},
    ])  # fmt: skip
    def test_bear_nonsense(self, support, new_job, query):
        new_job()
        assert support.get(LIST, query).status_code == 200


class TestStuck:
    @pytest.fixture
    def usual(self, new_job, roomy):
        """Twenty jobs that took a minute each."""
        long_ago = timezone.now() - timedelta(hours=1)
        for _ in range(estimates.MIN_SLOW_SAMPLE):
            job = new_job("SUCCEEDED")
            VideoJob.objects.filter(pk=job.pk).update(
                started_at=long_ago, completed_at=long_ago + timedelta(minutes=1)
            )

    def started(self, job, **ago):
        VideoJob.objects.filter(pk=job.pk).update(
            started_at=timezone.now() - timedelta(**ago),
            next_step_at=timezone.now() + timedelta(seconds=3),
        )
        return job

    def test_is_what_takes_longer_than_nearly_all_before(self, support, new_job, usual):
        late = self.started(new_job("generating"), minutes=2)
        self.started(new_job("generating"), seconds=30)
        assert listed(support, stuck="yes") == [late]

    def test_is_not_known_of_a_kind_that_never_ran(self, support, new_job, usual):
        self.started(new_job("generating", mock_mode=False), minutes=2)
        assert listed(support, stuck="yes") == []

    def test_is_whose_step_nobody_takes(self, support, new_job):
        job = new_job("generating")
        VideoJob.objects.filter(pk=job.pk).update(
            next_step_at=timezone.now() - timedelta(minutes=1)
        )
        assert listed(support, stuck="yes") == [job]
        assert "label-stuck" in support.get(f"{LIST}{job.pk}/change/").text

    def test_is_never_what_has_ended(self, support, new_job, usual):
        assert listed(support, stuck="yes") == []


class TestPages:
    def test_cost_as_many_queries_for_many_rows(self, support, new_job, roomy):
        def queries(**query):
            with CaptureQueriesContext(connection) as captured:
                listed(support, **query)
            return len(captured)

        for query in ({}, {"q": "sunset"}, {"stuck": "yes"}, {"ordered": "hour"}):
            new_job("generating")
            few = queries(**query)
            for _ in range(9):
                new_job("generating")
            assert queries(**query) == few, query

    def test_are_counted_no_further_than_they_are_listed(
        self, support, new_job, roomy, monkeypatch
    ):
        monkeypatch.setattr(CappedPaginator, "MOST", 3)
        monkeypatch.setattr("jobs.admin.job_admin.VideoJobAdmin.list_per_page", 2)
        for _ in range(6):
            new_job("CANCELLED")
        answer = support.get(LIST)
        assert answer.context["cl"].result_count == 3
        assert "3 or more" in answer.text
        assert len(listed(support, p=2)) == 1

    def test_beyond_the_last_are_no_error(self, support, new_job):
        new_job()
        assert support.get(LIST, {"p": 99}).status_code == 200
        assert support.get(LIST, {"p": "x"}).status_code == 200


class TestExport:
    def export(self, browser, *jobs, path=LIST, **form):
        chosen = {"action": "export", "_selected_action": [str(job.pk) for job in jobs]}
        answer = browser.post(path, chosen | form)
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer["Content-Disposition"]
        text = b"".join(answer.streaming_content).decode()
        return list(csv.DictReader(text.splitlines()))

    def test_holds_what_was_selected(self, finance, new_job):
        job = new_job("FAILED", prompt="Two\nlines, and a comma")
        new_job()
        [row] = self.export(finance, job)
        assert row["id"] == str(job.pk)
        assert (row["status"], row["errorCode"]) == ("FAILED", "safety.output")
        assert (row["tokensConsumed"], row["tokensRefunded"]) == ("50", "50")
        assert row["email"] == "alice@example.com"

    def test_holds_all_that_the_filter_matches(self, finance, new_job, roomy):
        jobs = [new_job("FAILED") for _ in range(3)]
        new_job()
        rows = self.export(finance, jobs[0], path=f"{LIST}?status__exact=FAILED", select_across="1")
        assert {row["id"] for row in rows} == {str(job.pk) for job in jobs}

    @pytest.mark.parametrize("prompt", [
        "=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")', " =1+1",
        "＝1+1", "\u200b=1+1", "\ufeff=1+1", "\u202e \xa0@SUM(A1)", "\x01-1",
    ])  # fmt: skip
    def test_starts_no_formula(self, finance, new_job, prompt):
        [row] = self.export(finance, new_job(prompt=prompt))
        assert row["prompt"] == f"'{prompt}"

    def test_leaves_numbers_and_plain_words_alone(self):
        assert escape_formula(-50) == -50
        assert escape_formula("a-b=c") == "a-b=c"
        assert escape_formula(None) == ""

    def test_says_in_the_log_who_took_it(self, finance, new_job):
        self.export(finance, new_job(), path=f"{LIST}?status__exact=PENDING")
        entry = LogEntry.objects.get()
        assert entry.user.username == "finance"
        assert entry.change_message == "Exported as CSV: 1 row of ?status__exact=PENDING"

    def test_says_in_the_log_how_many_were_taken(self, finance, new_job):
        jobs = [new_job("CANCELLED") for _ in range(3)]
        self.export(finance, jobs[0], select_across="1")
        assert LogEntry.objects.get().change_message == "Exported as CSV: all 3 rows"

    def test_holds_entries_too(self, finance, new_job):
        new_job()
        page = "/admin/tokens_ledger/entry/"
        [row] = self.export(finance, Entry.objects.get(kind="charge"), path=page)
        assert (row["amount"], row["user"], row["kind"]) == ("-50", "alice", "charge")
        assert LogEntry.objects.filter(user__username="finance").exists()

    def test_costs_no_query_a_row(self, finance, new_job, roomy):
        jobs = [new_job("CANCELLED") for _ in range(2)]
        with CaptureQueriesContext(connection) as few:
            self.export(finance, *jobs)
        jobs += [new_job("CANCELLED") for _ in range(6)]
        with CaptureQueriesContext(connection) as many:
            self.export(finance, *jobs)
        assert len(many) == len(few)


def test_a_job_is_what_it_was(support, new_job):
    """Looking changes nothing."""
    job = new_job("generating")
    listed(support)
    assert kept(job).version == job.version
