"""What staff see of a customer's webhook, and how they send an event again."""

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.models import Status, Webhook, WebhookDelivery
from jobs.webhooks import secrets
from tests.staff_site import LIST, page_of, press, said, url_of

SECRET = "whsec_c2VjcmV0IG9mIGEgY3VzdG9tZXIsIHNlZW4gYnkgbm9ib2R5"


@pytest.fixture
def webhook(alice):
    return Webhook.objects.create(
        user=alice,
        url="https://hooks.example.com/path-that-is-secret",
        events=["video_job.succeeded"],
        secret=secrets.encrypt(SECRET),
        created_at=timezone.now(),
    )


@pytest.fixture
def failed(webhook, new_job):
    """A job whose delivery has failed."""
    job = new_job(Status.SUCCEEDED)
    WebhookDelivery.objects.update(
        status="failed",
        next_try_at=None,
        attempts=10,
        last_status=500,
        last_error="The receiver answered 500.",
    )
    return job


class TestUsersPage:
    def test_state_and_failures_are_shown_without_secrets(self, support, failed, alice):
        Webhook.objects.update(disabled_reason="The receiver answered 410.")
        page = support.get(reverse("admin:accounts_user_change", args=[alice.pk])).text
        assert "switched off. The receiver answered 410." in page
        assert "hooks.example.com" in page
        assert "The receiver answered 500." in page
        assert "path-that-is-secret" not in page
        assert SECRET not in page
        assert Webhook.objects.get().secret not in page

    def test_user_without_webhook_has_no_panel(self, support, alice):
        page = support.get(reverse("admin:accounts_user_change", args=[alice.pk])).text
        assert "webhook-heading" not in page


class TestTimeline:
    def test_delivery_is_a_line_with_the_host_alone(self, support, failed):
        text = support.get(page_of(failed)).text
        line = "video_job.succeeded to hooks.example.com: failed after 10 tries, last answer 500"
        assert line in text
        assert "The receiver answered 500." in text
        assert "path-that-is-secret" not in text
        assert SECRET not in text
        assert Webhook.objects.get().secret not in text

    def test_job_without_webhook_has_no_line(self, support, new_job):
        assert "moment-webhook" not in support.get(page_of(new_job(Status.SUCCEEDED))).text


class TestFilter:
    def test_jobs_that_were_not_delivered_are_listed(self, support, failed, new_job):
        other = new_job(Status.SUCCEEDED)
        text = support.get(f"{LIST}?webhook=failed").text
        assert str(failed.pk) in text
        assert str(other.pk) not in text


class TestResend:
    def test_list_offers_it_in_plain_words(self, support, failed):
        assert ">Send webhooks of selected jobs again</option>" in support.get(LIST).text

    def test_failed_delivery_is_sent_again(self, support, failed):
        before = WebhookDelivery.objects.get()
        assert said(press(support, "resend", failed)) == [
            f"Job {failed.pk}: 1 event is sent again."
        ]
        row = WebhookDelivery.objects.get()
        assert (row.status, row.replayed, row.pk) == ("pending", True, before.pk)
        assert row.next_try_at
        assert row.next_try_at <= timezone.now()
        note = failed.events.get(actor__isnull=False)
        assert (note.message, note.detail) == ("Webhook sent again by support", "Never came")

    def test_delivered_event_is_not_sent_again(self, support, failed):
        WebhookDelivery.objects.update(status="delivered")
        [message] = said(press(support, "resend", failed))
        assert "has no failed webhook delivery" in message
        assert url_of("resend", failed) not in support.get(page_of(failed)).text

    def test_without_webhook_nothing_can_be_sent(self, support, failed):
        Webhook.objects.all().delete()
        [message] = said(press(support, "resend", failed))
        assert "has no failed webhook delivery" in message
