"""The action "Refund": with a reason, once, and a message for each job."""

import pytest
from django.contrib.admin.models import LogEntry

from accounts.models import User
from jobs.models import JobEvent, VideoJob
from tests.job_states import kept
from tests.staff_site import LIST, choose, page_of, press, said, url_of
from tokens_ledger import ledger
from tokens_ledger.models import Entry

LABEL = "Refund selected jobs"


def refunds():
    return Entry.objects.filter(kind="refund").count()


class TestRefund:
    def test_shows_what_would_happen_first(self, support, new_job, alice):
        job = new_job("SUCCEEDED")
        page = choose(support, "refund", job)
        assert page.status_code == 200
        assert str(job.pk) in page.text
        assert "50 tokens charged, 0 refunded" in page.text
        assert "50 tokens refunded" in page.text
        [balance] = page.context["balances"]
        before = ledger.balance(user=alice)
        assert (balance["user"], balance["before"]) == (alice, before)
        assert (balance["change"], balance["after"]) == (50, before + 50)
        assert not refunds()

    def test_says_first_what_would_be_skipped(self, support, new_job):
        jobs = [new_job("SUCCEEDED"), new_job("FAILED")]
        page = choose(support, "refund", *jobs)
        assert "Skipped: was already refunded" in page.text
        assert "1 of 2 jobs" in page.text

    @pytest.mark.parametrize("reason", ["", "   ", "\t\n", "x" * 501, "nul \x00 byte"])
    def test_is_not_made_without_a_decent_reason(self, support, new_job, reason):
        page = press(support, "refund", new_job("SUCCEEDED"), reason=reason)
        assert page.context["form"].errors["reason"]
        assert "errorlist" in page.text
        assert not refunds()

    def test_gives_the_tokens_back_and_says_so(self, support, new_job, alice):
        job, before = new_job("SUCCEEDED"), ledger.balance(user=alice)
        assert said(press(support, "refund", job)) == [f"Job {job.pk}: 50 tokens refunded."]
        assert ledger.balance(user=alice) == before + 50
        entry, actor = Entry.objects.get(kind="refund"), User.objects.get(username="support")
        assert (entry.note, entry.actor) == ("Never came", actor)
        assert kept(job).tokens_refunded == 50

    def test_is_in_the_timeline_and_in_the_log_with_who_and_why(self, support, new_job):
        job = new_job("SUCCEEDED")
        press(support, "refund", job)
        event = JobEvent.objects.get(job=job, actor__isnull=False)
        assert (event.message, event.detail) == ("Refunded by support", "Never came")
        assert event.internal
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.user.username) == (str(job.pk), "support")
        assert "50 tokens refunded. Reason: Never came" in entry.change_message
        page = support.get(page_of(job)).text
        assert "Refunded by support" in page
        assert "Never came" in page
        assert "Refund +50, balance" in page

    def test_tells_the_customer_the_reason_but_not_who(self, support, client, new_job):
        press(support, "refund", new_job("SUCCEEDED"))
        newest = client.get("/api/v1/tokens/entries").json()["entries"][0]
        assert newest["note"] == "Never came"
        assert "support" not in str(newest)

    def test_skips_what_was_refunded_before_and_says_why(self, support, new_job):
        failed, succeeded = new_job("FAILED"), new_job("SUCCEEDED")
        press(support, "refund", succeeded)
        answer = press(support, "refund", failed, succeeded)
        assert said(answer) == [
            f"Job {job.pk}: was already refunded." for job in (failed, succeeded)
        ]
        assert refunds() == 2

    def test_says_of_a_job_that_is_gone_that_it_is(self, support, new_job):
        gone, there = new_job("SUCCEEDED"), new_job("SUCCEEDED")
        VideoJob.objects.filter(pk=gone.pk).delete()
        answer = press(support, "refund", gone, there)
        assert said(answer) == [
            f"Job {gone.pk}: was deleted meanwhile.",
            f"Job {there.pk}: 50 tokens refunded.",
        ]

    def test_takes_nonsense_for_no_job(self, support):
        answer = press(support, "refund", "nonsense", "../../etc")
        assert answer.status_code == 200
        assert said(answer) == ["The selection is invalid: nothing was done. Select again."]
        assert not refunds()

    def test_sums_up_where_there_are_many(self, support, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 100
        jobs = [new_job("SUCCEEDED") for _ in range(7)] + [new_job("FAILED")]
        summary, *each = said(press(support, "refund", *jobs))
        assert summary == "Refund: 7 jobs done, 1 skipped."
        assert len(each) == 8

    def test_goes_back_to_where_it_came_from(self, support, new_job):
        job = new_job("SUCCEEDED")
        answer = support.post(url_of("refund", job), {"reason": "Never came"}, follow=True)
        assert said(answer) == [f"Job {job.pk}: 50 tokens refunded."]
        assert answer.redirect_chain == [(page_of(job), 302)]
        query = "?error_code=safety.output&ordered=hour"
        answer = press(support, "refund", job, query=query)
        assert answer.redirect_chain == [(f"{LIST}{query}", 302)]

    @pytest.mark.parametrize("evil", ["https://evil.example", "//evil.example", "javascript:x"])
    def test_goes_nowhere_else(self, support, new_job, evil):
        answer = press(support, "refund", new_job("SUCCEEDED"), next=evil)
        assert answer.redirect_chain == [(LIST, 302)]

    def test_is_offered_to_those_who_may(self, support, new_job):
        job = new_job("SUCCEEDED")
        assert LABEL in support.get(LIST).text
        assert url_of("refund", job) in support.get(page_of(job)).text


class TestOverAFilter:
    """As after an outage: all that failed with one code within an hour."""

    @pytest.fixture
    def outage(self, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 100
        return [new_job("FAILED") for _ in range(3)], new_job("SUCCEEDED")

    def test_chooses_all_that_match(self, operator, outage):
        failed, succeeded = outage
        query = "?error_code=safety.output&ordered=hour"
        page = choose(operator, "refund", failed[0], query=query, select_across="1")
        assert {row[0] for row in page.context["rows"]} == set(failed)
        assert str(succeeded.pk) not in page.text
        assert f'href="{LIST}?error_code=safety.output&amp;ordered=hour">Back' in page.text

    def test_refunds_them_all(self, operator, outage):
        failed, _ = outage
        assert len(said(press(operator, "refund", *failed))) == 3
        assert refunds() == 3

    def test_says_so_where_there_are_more_than_a_form_takes(self, operator, outage, monkeypatch):
        monkeypatch.setattr("videostudio.core.admin_actions.MAX_OBJECTS", 2)
        failed, _ = outage
        page = choose(operator, "refund", failed[0], query="?error_code=safety.output",
                      select_across="1")  # fmt: skip
        assert "These are the first 2" in page.text
        assert len(page.context["rows"]) == 2


class TestDailyLimit:
    def test_holds_for_support(self, support, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 120
        jobs = [new_job("SUCCEEDED") for _ in range(3)]
        *done, refused = said(press(support, "refund", *jobs))
        assert [each.endswith(": 50 tokens refunded.") for each in done] == [True, True]
        assert "would exceed your daily limit of 120 tokens (20 left today)" in refused
        assert refunds() == 2
        assert kept(jobs[2]).tokens_refunded == 0

    def test_is_each_ones_own(self, support, member, browser_of, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 50
        press(support, "refund", new_job("SUCCEEDED"))
        press(browser_of(member("Support", "sue")), "refund", new_job("SUCCEEDED"))
        assert refunds() == 2

    def test_does_not_hold_for_an_operator(self, operator, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 0
        press(operator, "refund", new_job("SUCCEEDED"))
        assert refunds() == 1

    def test_does_not_count_what_the_service_gives_back(self, support, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 50
        press(support, "cancel", new_job())
        press(support, "refund", new_job("SUCCEEDED"))
        assert refunds() == 2
