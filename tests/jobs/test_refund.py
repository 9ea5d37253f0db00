"""The admin's "Refund selected jobs" (contract 4): with a reason, once, and told of each job."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission

from accounts.models import User
from jobs.models import JobEvent, VideoJob
from tests.jobs.conftest import Client
from tokens_ledger import ledger
from tokens_ledger.models import Entry

LIST = "/admin/jobs/videojob/"
LABEL = "Refund selected jobs"


@pytest.fixture
def staff(db):
    """A member of staff who may look and refund, in a browser."""
    user = User.objects.create_user("carol", "carol@example.com", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_videojob", "refund_videojob"])
    )
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def refund(browser, *jobs, reason="Never came", confirmed=True):
    form = {"action": "refund_jobs", "_selected_action": [str(job.pk) for job in jobs]}
    if confirmed:
        form |= {"confirmed": "Refund", "reason": reason}
    return browser.post(LIST, form, follow=True)


def said(answer):
    return [str(message) for message in answer.context["messages"]]


class TestRefund:
    def test_asks_for_a_reason_first(self, staff, new_job):
        job = new_job("SUCCEEDED")
        page = refund(staff, job, confirmed=False)
        assert page.status_code == 200
        assert str(job.pk) in page.text
        assert "50 tokens charged, 0 refunded" in page.text
        assert not Entry.objects.filter(kind="refund")

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
    def test_is_not_made_without_a_decent_reason(self, staff, new_job, reason):
        page = refund(staff, new_job("SUCCEEDED"), reason=reason)
        assert "errorlist" in page.text
        assert not Entry.objects.filter(kind="refund")

    def test_gives_the_tokens_back_and_says_so(self, staff, new_job, alice):
        job, before = new_job("SUCCEEDED"), ledger.balance(user=alice)
        assert said(refund(staff, job)) == [f"{job.pk}: 50 tokens refunded."]
        assert ledger.balance(user=alice) == before + 50
        entry = Entry.objects.get(kind="refund")
        assert (entry.note, entry.actor) == ("Never came", User.objects.get(username="carol"))
        assert VideoJob.objects.get(pk=job.pk).tokens_refunded == 50
        assert JobEvent.objects.filter(job=job, internal=True, detail="Never came").exists()
        assert "Never came" in LogEntry.objects.get().change_message

    def test_skips_what_was_refunded_before_and_says_why(self, staff, new_job):
        failed, succeeded = new_job("FAILED"), new_job("SUCCEEDED")
        refund(staff, succeeded)
        answer = refund(staff, failed, succeeded)
        assert sorted(said(answer)) == sorted(
            f"{job.pk}: was refunded before." for job in (failed, succeeded)
        )
        assert Entry.objects.filter(kind="refund").count() == 2

    def test_is_not_for_those_who_may_only_look(self, staff, new_job):
        User.objects.get(username="carol").user_permissions.remove(
            Permission.objects.get(codename="refund_videojob")
        )
        job = new_job("SUCCEEDED")
        assert LABEL not in staff.get(LIST).text
        refund(staff, job)
        assert not Entry.objects.filter(kind="refund")

    def test_is_offered_to_those_who_may(self, staff, new_job):
        new_job("SUCCEEDED")
        assert LABEL in staff.get(LIST).text
