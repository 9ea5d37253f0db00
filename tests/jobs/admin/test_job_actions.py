"""The other actions on a job: cancel, mark as failed, retry, fetch again."""

from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import lifecycle
from jobs.models import JobEvent, VideoJob
from tests.job_states import BLOCKED, ENDED, bring, kept, where
from tests.staff_site import LIST, choose, page_of, press, said, url_of
from tokens_ledger import ledger, reconciliation
from tokens_ledger.models import Entry

BROKEN = "The selection is invalid: nothing was done. Select again."
NONE_SELECTED = (
    "Items must be selected in order to perform actions on them. No items have been changed."
)


def notes(job):
    """What staff did to the job: (message, detail)."""
    return list(job.events.filter(actor__isnull=False).values_list("message", "detail"))


def new_of(job):
    return VideoJob.objects.get(rerun_of=job)


class TestCancel:
    def test_waiting_job_is_cancelled_and_refunded(self, support, client, new_job):
        job = new_job()
        assert said(press(support, "cancel", job)) == [
            f"Job {job.pk}: cancelled, 50 tokens refunded."
        ]
        assert (kept(job).status, kept(job).tokens_refunded) == ("CANCELLED", 50)
        assert notes(job) == [("Cancelled by support", "Never came")]
        logs = [line["message"] for line in client.job(job)["logs"]]
        assert "🛑 Cancelled by support" in logs
        assert "Never came" not in str(logs)

    def test_submitted_job_is_cancelled_without_refund(self, support, new_job):
        job = new_job("generating")
        [message] = said(press(support, "cancel", job))
        assert "no refund, because it was already submitted" in message
        assert (kept(job).status, kept(job).tokens_refunded) == ("CANCELLED", 0)

    @pytest.mark.parametrize("state", ["PENDING", "generating"])
    def test_earlier_refund_is_reported(self, operator, new_job, state):
        job = new_job(state)
        press(operator, "refund", job)
        message = "cancelled; it was already refunded."
        assert said(press(operator, "cancel", job)) == [f"Job {job.pk}: {message}"]
        assert message in LogEntry.objects.latest("id").change_message
        assert Entry.objects.filter(kind="refund").count() == 1

    def test_ended_job_is_not_cancelled(self, support, new_job):
        jobs = [new_job(state) for state in ENDED]
        assert said(press(support, "cancel", *jobs))[1:] == [
            f"Job {job.pk}: has already ended ({state})."
            for job, state in zip(jobs, ENDED, strict=True)
        ]
        assert [kept(job).version for job in jobs] == [job.version for job in jobs]
        assert not LogEntry.objects.exists()


class TestFail:
    @pytest.mark.parametrize("state", ["PENDING", "storing"])
    def test_active_job_fails_and_is_refunded(self, operator, new_job, state):
        job = new_job(state)
        assert said(press(operator, "fail", job)) == [
            f"Job {job.pk}: marked as failed, 50 tokens refunded."
        ]
        row = kept(job)
        assert (row.status, row.error_code, row.tokens_refunded) == ("FAILED", "internal", 50)
        assert row.error_message == "Something went wrong on our side."
        assert notes(job) == [("Marked as failed by operator", "Never came")]
        assert str(Entry.objects.get(kind="refund").actor) == "operator"
        assert not list(reconciliation.findings())

    def test_refund_is_made_where_failures_are_not_refunded(self, operator, new_job, settings):
        settings.VIDEO_REFUND_FAILED_JOBS = False
        job = new_job("generating")
        press(operator, "fail", job)
        assert kept(job).tokens_refunded == 50

    def test_refunded_job_is_not_refunded_again(self, operator, new_job):
        job = new_job("generating")
        press(operator, "refund", job)
        message = "marked as failed; it was already refunded."
        assert said(press(operator, "fail", job)) == [f"Job {job.pk}: {message}"]
        assert message in LogEntry.objects.latest("id").change_message
        assert kept(job).status == "FAILED"
        assert Entry.objects.filter(kind="refund").count() == 1

    def test_ended_job_is_not_failed(self, operator, new_job):
        job = new_job("SUCCEEDED")
        assert "has already ended" in said(press(operator, "fail", job))[0]
        assert kept(job).status == "SUCCEEDED"


class TestRetry:
    def test_free_retry_orders_the_same_job(self, operator, new_job, alice):
        job = new_job("FAILED", prompt="An owl", negative_prompt="rain", seed=7)
        before = ledger.balance(user=alice)
        answer = press(operator, "retry", job, price="free")
        new = new_of(job)
        assert said(answer) == [f"Job {job.pk}: retried as job {new.pk}, for 0 tokens."]
        assert new.spec == job.spec
        assert (new.user, new.status, new.tokens_consumed) == (alice, "PENDING", 0)
        assert ledger.balance(user=alice) == before
        assert notes(new) == [(f"Retried from job {job.pk} by operator", "Never came")]
        assert notes(job) == [(f"Retried as job {new.pk} by operator", "Never came")]

    def test_charged_retry_costs_tokens(self, operator, new_job, alice):
        job, before = new_job("FAILED"), ledger.balance(user=alice)
        press(operator, "retry", job, price="charged")
        assert new_of(job).tokens_consumed == 50
        assert ledger.balance(user=alice) == before - 50

    def test_missing_or_unknown_price_is_refused(self, operator, new_job):
        job = new_job("FAILED")
        for price in ("", "half"):
            page = press(operator, "retry", job, price=price)
            assert page.context["form"].errors["price"]
        assert VideoJob.objects.count() == 1

    def test_charged_retry_without_tokens_is_refused(self, operator, new_job, alice, tokens):
        job = new_job("SUCCEEDED")
        tokens(alice, 20)
        assert said(press(operator, "retry", job, price="charged")) == [
            f"Job {job.pk}: costs 50 tokens, but the customer has 20."
        ]
        assert VideoJob.objects.count() == 1
        assert not notes(job)

    @pytest.mark.parametrize("end", ["FAILED", "CANCELLED"])
    def test_free_job_is_never_refunded(self, operator, new_job, end):
        job = new_job("FAILED")
        press(operator, "retry", job, price="free")
        new = bring(new_of(job), end)
        assert (new.status, new.tokens_refunded) == (end, 0)
        assert not list(reconciliation.findings())
        assert said(press(operator, "refund", new)) == [f"Job {new.pk}: was never charged."]

    @pytest.mark.parametrize(("action", "what"), [("cancel", "cancelled"),
                                                ("fail", "marked as failed")])  # fmt: skip
    def test_cancelled_free_job_is_reported_without_refund(self, operator, new_job, action, what):
        press(operator, "retry", new_job("FAILED"), price="free")
        new = VideoJob.objects.get(rerun_of__isnull=False)
        assert said(press(operator, action, new)) == [f"Job {new.pk}: {what}; it was free."]

    def test_charge_of_a_deactivated_user_is_warned_about(self, operator, new_job, alice):
        job = new_job("FAILED")
        warning = "is deactivated, but would still be charged"
        assert warning not in choose(operator, "retry", job).text
        alice.is_active = False
        alice.save()
        assert warning in choose(operator, "retry", job).text
        assert warning not in choose(operator, "refund", new_job("SUCCEEDED")).text

    def test_job_with_images_is_not_retried(self, operator, new_job):
        job = new_job("FAILED", initial_image=True)
        assert "had images, which are deleted now" in choose(operator, "retry", job).text
        [message] = said(press(operator, "retry", job, price="free"))
        assert "had images, which are deleted now: the customer must order again" in message

    def test_running_job_is_not_retried_or_fetched(self, operator, new_job):
        job = new_job("generating")
        for action in ("retry", "fetch"):
            assert said(press(operator, action, job, price="free")) == [
                f"Job {job.pk}: has not ended yet."
            ]

    def test_second_retry_is_refused_until_the_first_ended(self, operator, new_job):
        job = new_job("FAILED")
        press(operator, "retry", job, price="free")
        new = new_of(job)
        assert said(press(operator, "retry", job, price="free")) == [
            f"Job {job.pk}: was already repeated as job {new.pk}."
        ]
        assert page_of(new) in operator.get(page_of(job)).text
        assert page_of(job) in operator.get(page_of(new)).text
        bring(new, "FAILED")
        press(operator, "retry", job, price="free")
        assert VideoJob.objects.filter(rerun_of=job).count() == 2

    def test_form_that_was_sent_before_charges_nothing_again(self, operator, new_job, alice):
        job, once = new_job("FAILED"), str(uuid4())
        press(operator, "retry", job, price="charged", once=once)
        bring(new_of(job), "FAILED")
        balance = ledger.balance(user=alice)
        assert said(press(operator, "retry", job, price="charged", once=once)) == [
            "This form was already sent: nothing was done a second time."
        ]
        assert VideoJob.objects.filter(rerun_of=job).count() == 1
        assert ledger.balance(user=alice) == balance

    def test_retired_model_is_not_retried(self, operator, new_job):
        job = new_job("FAILED")
        VideoJob.objects.filter(pk=job.pk).update(model="veo-1")
        [message] = said(press(operator, "retry", job, price="free"))
        assert "used a model that is no longer available" in message

    def test_retry_ignores_the_users_limit(self, operator, new_job):
        job = new_job("FAILED")
        for _ in range(3):
            new_job()
        press(operator, "retry", job, price="free")
        assert new_of(job).status == "PENDING"


class TestFetch:
    def test_fetch_creates_a_job_with_the_same_operation_and_order(self, operator, new_job):
        job = new_job("FAILED", initial_image=True, resolution="1080p")
        answer = press(operator, "fetch", job, price="free")
        new = new_of(job)
        assert said(answer) == [f"Job {job.pk}: fetched again as job {new.pk}, for 0 tokens."]
        assert (where(new), new.operation) == ("generating", kept(job).operation)
        assert (new.user, new.spec) == (job.user, job.spec)
        assert new.deadline_at > timezone.now()
        assert kept(job).status == "FAILED"
        assert bring(new, "SUCCEEDED").status == "SUCCEEDED"

    def test_late_operation_is_fetched(self, operator, new_job):
        job = new_job("submitting")
        assert lifecycle.fail(job=job, failure=BLOCKED, now=timezone.now())
        lifecycle.submitted(accepted={job: "operations/late"}, now=timezone.now())
        assert not kept(job).operation
        press(operator, "fetch", job, price="charged")
        assert (new_of(job).operation, new_of(job).tokens_consumed) == ("operations/late", 50)

    def test_job_without_operation_is_not_fetched(self, operator, new_job):
        job = new_job("CANCELLED")
        [message] = said(press(operator, "fetch", job, price="free"))
        assert "has no known operation at the provider" in message
        assert url_of("fetch", job) not in operator.get(page_of(job)).text

    def test_second_fetch_is_refused(self, operator, new_job):
        job = new_job("FAILED")
        press(operator, "fetch", job, price="free")
        new = new_of(job)
        refused = f"Job {job.pk}: was already repeated as job {new.pk}."
        assert said(press(operator, "fetch", job, price="free")) == [refused]
        bring(new, "SUCCEEDED")
        assert said(press(operator, "fetch", job, price="free")) == [refused]

    def test_fetch_is_possible_again_after_the_first_failed(self, operator, new_job):
        job = new_job("FAILED")
        press(operator, "fetch", job, price="free")
        first = bring(new_of(job), "FAILED")
        press(operator, "fetch", first, price="free")
        assert new_of(first).operation == job.operation

    def test_many_failed_jobs_are_fetched_by_one_form(self, operator, new_job):
        """After an outage of the storage; those that cannot be fetched are skipped."""
        failed, without = new_job("FAILED"), new_job("CANCELLED")
        again = VideoJob.objects.filter(pk=failed.pk).values().get()
        VideoJob.objects.bulk_create(
            VideoJob(**again | {"id": uuid4(), "operation": f"operations/{n}"}) for n in range(58)
        )
        form = {"select_across": "1", "post": "yes", "reason": "Outage", "price": "free"}
        form["once"] = str(uuid4())
        messages = said(choose(operator, "fetch", failed, **form))
        assert messages[0] == "Fetch again: 59 done, 1 skipped."
        assert f"Job {without.pk}: has no known operation at the provider." in messages
        fetched = VideoJob.objects.filter(rerun_of__isnull=False, stage="generating")
        assert (fetched.count(), fetched.filter(tokens_consumed=0).count()) == (59, 59)
        reasons = JobEvent.objects.filter(message__startswith="Fetched again as", detail="Outage")
        assert reasons.count() == 59

    def test_queries_do_not_grow_with_the_jobs(self, operator, new_job):
        def queries(jobs):
            with CaptureQueriesContext(connection) as captured:
                assert choose(operator, "fetch", *jobs).context["possible"] == len(jobs)
            return len(captured)

        jobs = []
        for n in range(6):
            jobs.append(new_job("submitting"))
            lifecycle.fail(job=jobs[n], failure=BLOCKED, now=timezone.now())
            lifecycle.submitted(accepted={jobs[n]: f"operations/{n}"}, now=timezone.now())
        assert queries(jobs[:1]) == queries(jobs)


class TestEveryAction:
    def test_deleted_jobs_are_reported(self, operator, new_job):
        job = new_job("FAILED")
        VideoJob.objects.filter(pk=job.pk).delete()
        for action in ("refund", "retry"):
            page = choose(operator, action, job)
            assert "1 of the jobs have been deleted" in page.text
            assert "This action is not possible here" in page.text

    def test_form_without_csrf_token_is_403(self, member, new_job):
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(member("Operator"))
        job = new_job()
        for action in ("refund", "cancel", "fail", "retry", "fetch"):
            form = {"reason": "x", "price": "free"}
            assert browser.post(url_of(action, job), form).status_code == 403
            form |= {"action": action, "_selected_action": str(job.pk), "post": "yes"}
            assert browser.post(LIST, form).status_code == 403
        assert not JobEvent.objects.filter(actor__isnull=False).exists()

    def test_missing_or_invalid_selection_is_reported(self, operator, new_job):
        job = new_job("SUCCEEDED")
        for jobs, message in (([], NONE_SELECTED), (["nul \x00"], BROKEN), ([job, "abc"], BROKEN)):
            assert said(press(operator, "refund", *jobs)) == [message]
        assert not kept(job).tokens_refunded

    def test_page_of_a_deleted_job_is_404(self, operator, new_job):
        job = new_job("SUCCEEDED")
        VideoJob.objects.filter(pk=job.pk).delete()
        assert operator.get(url_of("refund", job)).status_code == 404
        assert operator.post(url_of("refund", job), {"reason": "x"}).status_code == 404

    def test_selected_job_outside_the_filter_is_handled(self, operator, new_job):
        job, query = new_job(), "?status__exact=PENDING"
        page = choose(operator, "cancel", job, query=query)
        assert page.context["possible"] == 1
        assert lifecycle.fail(job=job, failure=BLOCKED, now=timezone.now())
        answer = press(operator, "cancel", job, query=query)
        assert said(answer) == [f"Job {job.pk}: has already ended (FAILED)."]
        assert answer.redirect_chain == [(f"{LIST}{query}", 302)]

    def test_jobs_beyond_one_form_are_reported(self, operator, new_job, monkeypatch):
        monkeypatch.setattr("videostudio.core.admin_actions.MAX_OBJECTS", 2)
        jobs = [new_job("CANCELLED") for _ in range(5)]
        for form in ({}, {"select_across": "1"}):
            answer = press(operator, "refund", *jobs, jobs[0], **form)
            [left, summary, *each] = said(answer)
            assert left.startswith("You selected more jobs than one form handles. Nothing was done")
            assert (summary, len(each)) == ("Refund: 0 done, 2 skipped.", 2)
        page = choose(operator, "refund", *jobs)
        assert "These are the first 2" in page.text
        assert "have been deleted" not in page.text

    def test_invisible_characters_of_a_reason_are_removed(self, operator, new_job):
        job = new_job()
        page = press(operator, "cancel", job, reason=" \u202e\x1b\ufeff\n\u00ad\u200b")
        assert page.context["form"].errors["reason"] == ["This field is required."]
        press(operator, "cancel", job, reason="\u202eNever\x1b[31m came\r\nand\tlate\u200b ü")
        assert notes(job) == [("Cancelled by operator", "Never[31m came\nand late ü")]

    def test_reason_is_escaped(self, operator, new_job):
        job, text = new_job(), '"><img src=x>'
        answer = press(operator, "cancel", job, reason=text)
        for page in (answer, operator.get(page_of(job)), operator.get(f"{LIST}{job.pk}/history/")):
            assert text not in page.text
