"""The list of jobs: search, filters, export, and the same cost for many jobs as for few."""

import csv
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import word_index
from jobs.models import Tick, VideoJob
from jobs.stats import lateness
from tests.staff_site import LIST
from tokens_ledger import ledger
from tokens_ledger.models import Entry
from videostudio.core.admin import CappedPaginator, escape_formula

pytestmark = pytest.mark.both  # SQL of our own


def listed(browser, **query):
    answer = browser.get(LIST, query)
    if answer.status_code == 302:  # a search with one result leads to it
        return [VideoJob.objects.get(pk=answer.url.split("/")[-3])]
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


@pytest.fixture
def roomy(settings, alice):
    ledger.grant(user=alice, amount=100_000, note="")
    settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 1000


class TestRows:
    def test_row_shows_status_error_prompt_user_and_refund(self, support, new_job):
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

    def test_row_of_a_running_job_shows_progress(self, support, new_job):
        job = new_job("generating", prompt="<script>alert(1)</script>")
        VideoJob.objects.filter(pk=job.pk).update(progress_percentage=37)
        text = support.get(LIST).text
        assert "<script>alert(1)" not in text
        assert '<progress max="100" value="37"' in text
        assert "37 %" in text
        assert "so far" in text


class TestSearch:
    @pytest.fixture
    def needle(self, new_job, bob):
        for _ in range(2):
            new_job("CANCELLED", user=bob)
        return new_job("CANCELLED", prompt="A needle in Ümläut's haystack, at dawn")

    def test_job_is_found_by_words_of_prompt_and_user(self, support, needle):
        for term in ("NEEDLE", "hay", "dawn needle", "alice@", "example alice", ' "needle" ',
                     "haystack,", "<alice@example.com>", "Ümläut",
                     "alice al li lic ice example needle"):  # fmt: skip
            assert listed(support, q=term) == [needle], term

    def test_job_is_found_by_its_id_or_its_users_or_the_beginning(self, support, needle, alice):
        id = needle.pk
        for term in (id.hex, str(id)[:13], f"({id})".upper(), id.hex[:11],
                     str(alice.pk), str(alice.pk)[:8]):  # fmt: skip
            assert listed(support, q=term) == [needle], term

    def test_job_is_found_by_its_negative_prompt(self, support, needle, new_job):
        job = new_job("SUCCEEDED", prompt="A barn", negative_prompt="Scarecrows and rain")
        assert listed(support, q="scarecrow alice") == [job]
        assert listed(support, q="barn rain") == [job]
        assert listed(support, q="needle scarecrow") == []

    def test_job_is_found_by_its_operation(self, support, new_job):
        job = new_job("generating")
        assert listed(support, q=job.operation) == [job]

    def test_unmatched_term_finds_nothing(self, support, needle):
        for term in ("needle bob", "nothing", "%", "_", "\\"):
            assert listed(support, q=term) == [], term

    def test_odd_term_is_answered(self, support, needle):
        for term in (" , ", "x" * 5000, "a\x00b", "a " * 3000):
            assert support.get(LIST, {"q": term}).status_code == 200, term

    def test_only_prompts_of_the_newest_jobs_are_searched_without_an_index(
        self, support, needle, new_job, monkeypatch
    ):
        monkeypatch.setattr(word_index, "exists", lambda: False)
        monkeypatch.setattr("jobs.admin.search.READ", 2)
        for _ in range(3):
            new_job("CANCELLED")
        assert listed(support, q="needle") == []
        assert listed(support, q=str(needle.pk)[:8]) == [needle]

    @pytest.mark.parametrize("common", [1, 50])
    def test_frequent_words_find_the_same_as_rare_ones(
        self, support, needle, new_job, bob, monkeypatch, common
    ):
        monkeypatch.setattr("jobs.admin.search.COMMON", common)
        waiting = new_job(prompt="Another needle")
        new_job(user=bob, prompt="No match")
        assert listed(support, q="needle alice") == [waiting, needle]
        assert listed(support, q="needle alice", status__exact="PENDING") == [waiting]

    def test_word_that_very_many_users_match_finds_their_jobs(self, support, needle, monkeypatch):
        monkeypatch.setattr("jobs.admin.search.MOST_USERS", 1)
        assert listed(support, q="example.com haystack") == [needle]
        assert len(listed(support, q="example.com")) == 3


class TestFilters:
    def test_error_code_filters_jobs(self, support, new_job):
        failed = new_job("FAILED")
        new_job("SUCCEEDED")
        assert listed(support, error_code="safety.output") == [failed]
        assert listed(support, error_code="internal") == []

    def test_refund_filters_jobs(self, support, new_job):
        failed, succeeded = new_job("FAILED"), new_job("SUCCEEDED")
        assert listed(support, tokens="refunded") == [failed]
        assert listed(support, tokens="kept") == [succeeded]
        assert listed(support, tokens="free") == []

    def test_model_and_mock_mode_filter_jobs(self, support, new_job):
        real = new_job(model="veo-3.1-generate-001", mock_mode=False)
        new_job()
        assert listed(support, model="veo-3.1-generate-001") == [real]
        assert listed(support, mock_mode__exact="0") == [real]

    def test_time_filters_jobs(self, support, new_job):
        new_job(now=timezone.now() - timedelta(hours=2))
        young = new_job()
        assert listed(support, ordered="hour") == [young]
        assert len(listed(support, ordered="day")) == 2
        start = f"{timezone.now() - timedelta(minutes=30):%Y-%m-%dT%H:%M}"
        assert listed(support, ordered_from=start) == [young]
        assert young not in listed(support, ordered_to=start)


class TestWayBack:
    def test_filters_are_kept_on_the_page_of_a_job_and_of_an_action(self, operator, new_job):
        new_job("FAILED")
        new_job("FAILED")
        filtered = f"{LIST}?status__exact=FAILED"
        [first, *_] = re.findall(r'href="([^"]+/change/[^"]+)"', operator.get(filtered).text)
        page = operator.get(unescape(first)).text
        assert f'<a href="{filtered}">Video jobs</a>' in page
        [retry] = re.findall(r'href="([^"]+/retry/[^"]+)"', page)
        confirmation = operator.get(unescape(retry)).text
        assert f'<a href="{filtered}">Video jobs</a>' in confirmation
        assert f'<a class="closelink" href="{first}">Back</a>' in confirmation


class TestLate:
    @pytest.fixture
    def usual(self, new_job, roomy):
        """Twenty jobs that took a minute each."""
        long_ago = timezone.now() - timedelta(hours=1)
        for _ in range(lateness.MIN_SAMPLE):
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

    def test_job_slower_than_nearly_all_earlier_ones_is_stuck(self, support, new_job, usual):
        late = self.started(new_job("generating"), minutes=2)
        self.started(new_job("generating"), seconds=30)
        without_history = new_job("generating", mock_mode=False)
        self.started(without_history, minutes=2)
        assert listed(support, late="stuck") == [late]
        Tick.objects.update(next_at=timezone.now())
        assert "longer than 95% of earlier jobs" in support.get(f"{LIST}{late.pk}/change/").text

    def test_job_with_a_late_step_is_stuck(self, support, new_job):
        job = new_job("generating")
        VideoJob.objects.filter(pk=job.pk).update(
            next_step_at=timezone.now() - timedelta(minutes=1)
        )
        assert listed(support, late="stuck") == [job]
        for page in (LIST, f"{LIST}{job.pk}/change/"):
            assert "label-stuck" in support.get(page).text

    @pytest.mark.parametrize(("minutes", "silent"), [(6, False), (1, True)])
    def test_job_that_waits_for_too_long_is_late(self, support, new_job, minutes, silent):
        """Without workers, a minute is too long."""
        now = timezone.now()
        Tick.objects.update(next_at=now - timedelta(hours=silent))
        job = new_job(now=now - timedelta(minutes=minutes))
        new_job()
        assert listed(support, late="waiting") == [job]
        assert listed(support, late="stuck") == []
        assert support.get(LIST).text.count("waiting too long") == 1
        assert "waiting too long" in support.get(f"{LIST}{job.pk}/change/").text


class TestPages:
    @pytest.mark.slow
    def test_queries_do_not_grow_with_the_rows(self, support, new_job, roomy, monkeypatch):
        monkeypatch.setattr(lateness, "CACHE_SECONDS", 3600)

        def queries(**query):
            with CaptureQueriesContext(connection) as captured:
                listed(support, **query)
            return len(captured)

        queries(q="the first search of a process looks for the word index")
        for query in ({}, {"q": "sunset"}, {"late": "stuck"}, {"ordered": "hour"}):
            new_job("generating")
            queries(**query)  # fills the cache of what is late
            few = queries(**query)
            for _ in range(9):
                new_job("generating")
            assert queries(**query) == few, query

    def test_count_stops_at_the_maximum(self, support, new_job, roomy, monkeypatch):
        monkeypatch.setattr(CappedPaginator, "MAX_COUNT", 3)
        monkeypatch.setattr("jobs.admin.job_admin.VideoJobAdmin.list_per_page", 2)
        for _ in range(6):
            new_job("CANCELLED")
        answer = support.get(LIST)
        assert answer.context["cl"].result_count == 3
        assert "3 or more" in answer.text
        assert len(listed(support, p=2)) == 1


class TestExport:
    def export(self, browser, *jobs, path=LIST, **form):
        chosen = {"action": "export", "_selected_action": [str(job.pk) for job in jobs]}
        answer = browser.post(path, chosen | form)
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer["Content-Disposition"]
        text = b"".join(answer.streaming_content).decode()
        return list(csv.DictReader(text.splitlines()))

    def test_export_holds_the_selected_jobs(self, finance, new_job):
        job = new_job("FAILED", prompt="Two\nlines, and a comma", negative_prompt="rain", seed=0)
        new_job()
        [row] = self.export(finance, job, path=f"{LIST}?status__exact=FAILED")
        assert row["id"] == str(job.pk)
        assert (row["status"], row["errorCode"]) == ("FAILED", "safety.output")
        assert (row["tokensConsumed"], row["tokensRefunded"]) == ("50", "50")
        assert row["email"] == "alice@example.com"
        assert (row["negativePrompt"], row["seed"]) == ("rain", "0")
        entry = LogEntry.objects.get()
        assert entry.user.username == "finance"
        assert entry.change_message == "Exported as CSV: 1 row of ?status__exact=FAILED"

    def test_export_holds_all_jobs_of_the_filter(self, finance, new_job, roomy):
        jobs = [new_job("FAILED") for _ in range(3)]
        new_job()
        rows = self.export(finance, jobs[0], path=f"{LIST}?status__exact=FAILED", select_across="1")
        assert {row["id"] for row in rows} == {str(job.pk) for job in jobs}
        assert LogEntry.objects.get().change_message.startswith("Exported as CSV: all 3 rows")

    def test_only_result_of_a_search_can_be_exported(self, finance, new_job):
        job = new_job(prompt="A zeppelin")
        new_job()
        page = finance.get(f"{LIST}?q=zeppelin&status__exact=PENDING", follow=True)
        assert page.redirect_chain[0][0].startswith(f"{LIST}{job.pk}/change/")
        [link] = re.findall('<a href="([^"]+)">Video jobs</a>', page.text)
        back = unescape(link)
        assert list(finance.get(back).context["cl"].result_list) == [job]
        [row] = self.export(finance, job, path=back)
        assert row["prompt"] == "A zeppelin"

    def test_formula_is_escaped(self, finance, new_job, roomy):
        prompts = {"=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "＝1+1", "\u200b=1+1",
                   "\u202e \xa0@SUM(A1)", "\x01-1"}  # fmt: skip
        rows = self.export(finance, *[new_job(prompt=prompt) for prompt in prompts])
        assert {row["prompt"] for row in rows} == {f"'{prompt}" for prompt in prompts}

    def test_numbers_and_words_are_not_escaped(self):
        assert escape_formula(-50) == -50
        assert escape_formula("a-b=c") == "a-b=c"
        assert escape_formula(None) == ""

    def test_ledger_entries_can_be_exported(self, finance, new_job):
        new_job()
        page = "/admin/tokens_ledger/entry/"
        [row] = self.export(finance, Entry.objects.get(kind="charge"), path=page)
        assert (row["amount"], row["user"], row["kind"]) == ("-50", "alice", "charge")
        assert LogEntry.objects.filter(user__username="finance").exists()

    def test_queries_do_not_grow_with_the_rows(self, finance, new_job, roomy):
        jobs = [new_job("CANCELLED") for _ in range(2)]
        with CaptureQueriesContext(connection) as few:
            self.export(finance, *jobs)
        jobs += [new_job("CANCELLED") for _ in range(6)]
        with CaptureQueriesContext(connection) as many:
            self.export(finance, *jobs)
        assert len(many) == len(few)
