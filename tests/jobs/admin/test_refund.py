"""The action "Refund": with a reason, once, and a message for each job."""

import pytest
from django.contrib.admin.models import LogEntry

from accounts.models import User
from jobs.models import JobEvent, VideoJob
from tests.job_states import kept
from tests.staff_site import LIST, choose, page_of, press, said, url_of
from tokens_ledger import ledger
from tokens_ledger.models import Entry


def refunds():
    return Entry.objects.filter(kind="refund").count()


class TestRefund:
    def test_preview_shows_jobs_tokens_and_balances(self, support, new_job, alice):
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

    def test_preview_shows_skipped_jobs(self, support, new_job):
        jobs = [new_job("SUCCEEDED"), new_job("FAILED")]
        page = choose(support, "refund", *jobs)
        assert "Skipped: was already refunded" in page.text
        assert "1 of 2 jobs" in page.text

    @pytest.mark.parametrize("reason", ["", "\t\n", "x" * 501, "nul \x00 byte"])
    def test_missing_or_long_reason_is_refused(self, support, new_job, reason):
        page = press(support, "refund", new_job("SUCCEEDED"), reason=reason)
        assert page.context["form"].errors["reason"]
        assert "errorlist" in page.text
        assert not refunds()

    def test_refund_returns_the_tokens(self, support, new_job, alice):
        job, before = new_job("SUCCEEDED"), ledger.balance(user=alice)
        assert said(press(support, "refund", job)) == [f"Job {job.pk}: 50 tokens refunded."]
        assert ledger.balance(user=alice) == before + 50
        entry, actor = Entry.objects.get(kind="refund"), User.objects.get(username="support")
        assert (entry.note, entry.actor) == ("Never came", actor)
        assert kept(job).tokens_refunded == 50

    def test_refund_is_in_timeline_and_log(self, support, new_job):
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

    def test_client_sees_the_reason_but_no_name(self, support, client, new_job):
        press(support, "refund", new_job("SUCCEEDED"))
        newest = client.get("/api/v1/tokens/entries").json()["entries"][0]
        assert newest["note"] == "Never came"
        assert "support" not in str(newest)

    def test_refunded_job_is_skipped_with_a_message(self, support, new_job):
        failed, succeeded = new_job("FAILED"), new_job("SUCCEEDED")
        press(support, "refund", succeeded)
        answer = press(support, "refund", failed, succeeded)
        assert said(answer)[1:] == [
            f"Job {job.pk}: was already refunded." for job in (failed, succeeded)
        ]
        assert refunds() == 2

    def test_deleted_job_is_reported(self, support, new_job):
        gone, there = new_job("SUCCEEDED"), new_job("SUCCEEDED")
        VideoJob.objects.filter(pk=gone.pk).delete()
        answer = press(support, "refund", gone, there)
        assert said(answer) == [
            "Refund: 1 done, 1 skipped.",
            f"Job {gone.pk}: was deleted meanwhile.",
            f"Job {there.pk}: 50 tokens refunded.",
        ]

    def test_many_jobs_get_a_summary(self, support, new_job, settings):
        settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 100
        jobs = [new_job("SUCCEEDED") for _ in range(7)] + [new_job("FAILED")]
        summary, *each = said(press(support, "refund", *jobs))
        assert summary == "Refund: 7 done, 1 skipped."
        assert len(each) == 8

    def test_refund_returns_to_its_page(self, support, new_job):
        job = new_job("SUCCEEDED")
        answer = support.post(url_of("refund", job), {"reason": "Never came"}, follow=True)
        assert said(answer) == [f"Job {job.pk}: 50 tokens refunded."]
        assert answer.redirect_chain == [(page_of(job), 302)]
        query = "?error_code=safety.output&ordered=hour"
        answer = press(support, "refund", job, query=query)
        assert answer.redirect_chain == [(f"{LIST}{query}", 302)]

    @pytest.mark.parametrize("evil", ["https://evil.example", "//evil.example"])
    def test_foreign_next_url_is_ignored(self, support, new_job, evil):
        answer = press(support, "refund", new_job("SUCCEEDED"), next=evil)
        assert answer.redirect_chain == [(LIST, 302)]


class TestAcrossPages:
    """As after an outage: all that failed with one code within an hour."""

    @pytest.fixture
    def outage(self, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        settings.VIDEO_MAX_ACTIVE_JOBS = settings.VEO_CREATES_PER_MINUTE = 100
        return [new_job("FAILED") for _ in range(3)], new_job("SUCCEEDED")

    def test_preview_holds_all_jobs_of_the_filter(self, operator, outage):
        failed, succeeded = outage
        query = "?error_code=safety.output&ordered=hour"
        page = choose(operator, "refund", failed[0], query=query, select_across="1")
        assert {row[0] for row in page.context["rows"]} == set(failed)
        assert str(succeeded.pk) not in page.text
        assert f'href="{LIST}?error_code=safety.output&amp;ordered=hour">Back' in page.text
        assert said(press(operator, "refund", *failed))[0] == "Refund: 3 done, 0 skipped."
        assert refunds() == 3


class TestDailyLimit:
    def test_refund_over_supports_daily_limit_is_refused(self, support, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 120
        jobs = [new_job("SUCCEEDED") for _ in range(3)]
        _, *done, refused = said(press(support, "refund", *jobs))
        assert [each.endswith(": 50 tokens refunded.") for each in done] == [True, True]
        assert "would exceed your daily limit of 120 tokens (20 left today)" in refused
        assert refunds() == 2
        assert kept(jobs[2]).tokens_refunded == 0

    def test_each_member_has_a_limit_of_their_own(
        self, support, member, browser_of, new_job, settings
    ):
        settings.STAFF_REFUND_DAILY_TOKENS = 50
        press(support, "refund", new_job("SUCCEEDED"))
        press(browser_of(member("Support", "sue")), "refund", new_job("SUCCEEDED"))
        assert refunds() == 2

    def test_operator_has_no_limit(self, operator, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 0
        press(operator, "refund", new_job("SUCCEEDED"))
        assert refunds() == 1

    def test_refunds_by_cancelling_are_not_counted(self, support, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 50
        press(support, "cancel", new_job())
        press(support, "refund", new_job("SUCCEEDED"))
        assert refunds() == 2
