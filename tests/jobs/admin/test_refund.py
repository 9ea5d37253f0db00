"""The action "Refund": with a reason, once, and a message for each job."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from accounts.models import User
from jobs.models import JobEvent, VideoJob
from tests.job_states import kept
from tests.staff_site import LIST, choose, page_of, press, said, url_of
from tokens_ledger import ledger
from tokens_ledger.models import Entry

pytestmark = pytest.mark.slow


def refunds():
    return Entry.objects.filter(kind="refund").count()


class TestRefund:
    @pytest.mark.parametrize(("price", "shown"), [(1, "1 token"), (1_000, "1,000 tokens")])
    def test_texts_have_a_singular_and_commas(self, support, new_job, settings, price, shown):
        settings.VIDEO_TOKEN_COSTS = {"video_generation": price}
        job = new_job("SUCCEEDED")
        assert said(press(support, "refund", job)) == [f"Job {job.pk}: {shown} refunded."]
        assert f"💰 {shown} refunded" in [event.message for event in job.events.all()]

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

    def test_missing_or_long_reason_is_refused(self, support, new_job):
        job = new_job("SUCCEEDED")
        for reason in ("", "\t\n", "x" * 501, "nul \x00 byte"):
            page = press(support, "refund", job, reason=reason)
            assert page.context["form"].errors["reason"]
            assert "errorlist" in page.text
        assert not refunds()

    def test_refund_returns_the_tokens_and_is_in_timeline_and_log(
        self, support, client, new_job, alice
    ):
        job, before = new_job("SUCCEEDED"), ledger.balance(user=alice)
        assert said(press(support, "refund", job)) == [f"Job {job.pk}: 50 tokens refunded."]
        assert ledger.balance(user=alice) == before + 50
        entry, actor = Entry.objects.get(kind="refund"), User.objects.get(username="support")
        assert (entry.note, entry.actor) == ("Never came", actor)
        assert kept(job).tokens_refunded == 50
        event = JobEvent.objects.get(job=job, actor__isnull=False)
        assert (event.message, event.detail) == ("Refunded by support", "Never came")
        assert event.internal
        log = LogEntry.objects.get()
        assert (log.object_id, log.user) == (str(job.pk), actor)
        assert "50 tokens refunded. Reason: Never came" in log.change_message
        page = support.get(page_of(job)).text
        assert "Refunded by support" in page
        assert "Never came" in page
        assert "Refund +50, balance" in page
        newest = client.get("/api/v1/tokens/entries").json()["entries"][0]
        assert newest["note"] == "Never came"
        assert "support" not in str(newest)

    def test_refunded_and_deleted_jobs_are_skipped_with_a_message(self, support, new_job):
        failed, succeeded, gone, there = (
            new_job(state) for state in ("FAILED", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED")
        )
        press(support, "refund", succeeded)
        VideoJob.objects.filter(pk=gone.pk).delete()
        assert said(press(support, "refund", gone, failed, succeeded, there)) == [
            "Refund: 1 done, 3 skipped.",
            f"Job {gone.pk}: was deleted meanwhile.",
            f"Job {failed.pk}: was already refunded.",
            f"Job {succeeded.pk}: was already refunded.",
            f"Job {there.pk}: 50 tokens refunded.",
        ]
        assert refunds() == 3

    def test_refund_returns_to_its_page(self, support, new_job):
        job = new_job("SUCCEEDED")
        answer = support.post(url_of("refund", job), {"reason": "Never came"}, follow=True)
        assert said(answer) == [f"Job {job.pk}: 50 tokens refunded."]
        assert answer.redirect_chain == [(page_of(job), 302)]
        query = "?error_code=safety.output&ordered=hour"
        answer = press(support, "refund", job, query=query)
        assert answer.redirect_chain == [(f"{LIST}{query}", 302)]

    def test_foreign_next_url_is_ignored(self, support, new_job):
        for evil in ("https://evil.example", "//evil.example"):
            answer = press(support, "refund", new_job("SUCCEEDED"), next=evil)
            assert answer.redirect_chain == [(LIST, 302)]

    def test_all_jobs_of_a_filter_are_refunded(self, operator, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        failed, succeeded = [new_job("FAILED") for _ in range(3)], new_job("SUCCEEDED")
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

    def test_preview_names_the_limit_and_what_is_left(self, support, operator, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 120
        press(support, "refund", new_job("SUCCEEDED"))
        jobs = [new_job("SUCCEEDED") for _ in range(2)]
        sentence = "Your daily limit is 120 tokens: 70 left today."
        one, two = (choose(support, "refund", *jobs[:count]).text for count in (1, 2))
        assert sentence in one
        assert "would exceed it" not in one
        assert f"{sentence} Jobs that would exceed it are skipped" in two
        for page in (one, two):  # the second job would exceed the limit
            assert '<input type="submit" class="default" value="Refund 50 tokens">' in page
            assert page.count("<td>50 tokens refunded</td>") == 1
        assert two.count("Skipped: would exceed your limit") == 1
        assert "<td>+50</td>" in two
        for browser, action in ((operator, "refund"), (support, "cancel")):
            assert "daily limit" not in choose(browser, action, *jobs).text

    def test_one_refund_over_the_limit_has_no_button(self, support, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 20
        job = new_job("SUCCEEDED")
        assert f'href="{url_of("refund", job)}"' in support.get(page_of(job)).text
        page = support.get(url_of("refund", job)).text
        assert "Your daily limit is 20 tokens: 20 left today. Jobs that would exceed it" in page
        assert "This action is not possible here." in page
        assert 'type="submit" class="default"' not in page

    def test_limit_applies_to_refunds_of_failed_jobs(self, member, browser_of, new_job, settings):
        settings.STAFF_REFUND_DAILY_TOKENS = 50
        sue = member("Support", "sue")
        sue.user_permissions.add(Permission.objects.get(codename="fail_videojob"))
        page = choose(browser_of(sue), "fail", new_job(), new_job()).text
        assert "Skipped: would exceed your limit" in page
        assert 'value="Fail and refund this job"' in page

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
