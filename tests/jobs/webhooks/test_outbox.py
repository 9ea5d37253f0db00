"""The event of a job's end: written with it, and as GET shows the job."""

import json

import pytest
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook as Verifier

from jobs import lifecycle, reruns
from jobs.models import Status, VideoJob, Webhook, WebhookDelivery
from tests.api import JOBS, PASSWORD
from tests.job_states import ENDED, bring
from tests.queries import counted

pytestmark = pytest.mark.both  # locks

TYPES = {
    Status.SUCCEEDED: "video_job.succeeded",
    Status.FAILED: "video_job.failed",
    Status.CANCELLED: "video_job.cancelled",
}


@pytest.fixture
def sent(hook, send_due, receiver):
    """The verified bodies of what the receiver got."""

    def sent():
        send_due()
        verify = Verifier(hook.secret).verify
        return [verify(got.body, got.headers) for got in receiver.received]

    return sent


class TestEvent:
    @pytest.mark.parametrize("status", ENDED)
    def test_end_is_sent_as_get_shows_the_job(self, client, new_job, sent, status):
        job = new_job(status)
        [event] = sent()
        shown = client.job(job)
        del shown["logs"]
        for name in ("cloudinaryUrl", "posterUrl"):  # this job was not ordered by HTTP
            shown[name] = shown[name] and shown[name].removeprefix("http://testserver")
        assert event["type"] == TYPES[status]
        assert event["data"] == shown
        assert event["timestamp"] == shown["completedAt"]

    def test_user_agent_and_type(self, new_job, sent, receiver):
        new_job(Status.SUCCEEDED)
        sent()
        headers = receiver.received[0].headers
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"].startswith("VideoStudio")

    def test_urls_have_the_host_of_the_order(self, client, sent, hook):
        self._order_and_succeed(client)
        [event] = sent()
        assert event["data"]["cloudinaryUrl"].startswith("http://localhost/media/")

    def test_public_url_takes_the_place_of_the_host(self, client, sent, hook, settings):
        settings.PUBLIC_URL = "https://videos.example.com"
        self._order_and_succeed(client)
        [event] = sent()
        assert event["data"]["posterUrl"].startswith("https://videos.example.com/media/")

    def _order_and_succeed(self, client):
        answer = client.create(headers={"Host": "localhost"})
        bring(VideoJob.objects.get(pk=answer.json()["id"]), Status.SUCCEEDED)

    def test_staff_who_fail_a_job_send_its_end(self, new_job, sent, member):
        job = new_job("generating")
        lifecycle.force_fail(job=job, actor=member("Operator"), reason="Stuck", now=timezone.now())
        [event] = sent()
        assert event["type"] == "video_job.failed"
        assert event["data"]["tokensRefunded"] == 50

    def test_deleted_job_is_sent_as_cancelled(self, client, new_job, sent):
        job = new_job("generating")
        assert client.delete(f"{JOBS}/{job.pk}").status_code == 204
        [event] = sent()
        assert (event["type"], event["data"]["id"]) == ("video_job.cancelled", str(job.pk))

    def test_rerun_keeps_the_orders_url(self, hook, new_job, sent, member, receiver):
        job = new_job(Status.FAILED)
        type(job).objects.update(webhook_url=f"{receiver.url}/own", origin="https://a.example")
        job.refresh_from_db()
        rerun = reruns.retry(
            job=job, actor=member("Operator"), reason="x", charged=False, now=timezone.now()
        )
        assert (rerun.webhook_url, rerun.origin) == (f"{receiver.url}/own", "https://a.example")

    def test_both_prompts_are_cut_to_fit(self, new_job, hook, sent):
        texts = {"prompt": "\N{MAN}" * 4_000, "negative_prompt": "\N{WOMAN}" * 4_000}
        new_job(Status.CANCELLED, **texts, seed=7)
        assert len(WebhookDelivery.objects.get().body.encode()) <= 20_000
        [event] = sent()
        data = event["data"]
        assert (data["seed"], data["truncated"]) == (7, True)
        for name, text in (("prompt", "prompt"), ("negativePrompt", "negative_prompt")):
            assert texts[text].startswith(data[name])
            assert 2_000 < len(data[name]) < 4_000

    @pytest.mark.parametrize("character", ["\N{MAN}", "\u2028", "x"])
    def test_body_is_under_20_kb(self, client, hook, new_job, sent, character):
        prompt = "a" + character * 3_998 + "z"
        new_job(Status.CANCELLED, prompt=prompt)
        body = WebhookDelivery.objects.get().body.encode()
        assert len(body) <= 20_000
        [event] = sent()
        data = event["data"]
        whole = data["prompt"] == prompt
        assert prompt.startswith(data["prompt"])
        assert len(data["prompt"]) > 3_000
        assert data.get("truncated", False) is not whole
        assert whole == (character != "\u2028")


class TestChoice:
    def test_without_webhook_nothing_is_written(self, new_job):
        with counted() as statements:
            new_job(Status.CANCELLED)
        assert not WebhookDelivery.objects.exists()
        assert len([sql for sql in statements if 'webhook"' in sql]) == 1

    def test_other_events_are_not_sent(self, put, receiver, new_job, many):
        put(receiver.url, events=["video_job.failed"])
        for status in ENDED:
            new_job(status)
        assert [row.type for row in WebhookDelivery.objects.all()] == ["video_job.failed"]

    def test_switched_off_webhook_is_not_sent(self, hook, new_job):
        Webhook.objects.update(disabled_reason="The receiver answered 410.")
        new_job(Status.CANCELLED)
        assert not WebhookDelivery.objects.exists()

    def test_own_url_is_sent_while_the_webhook_is_switched_off(self, hook, client, receiver):
        Webhook.objects.update(disabled_reason="The receiver answered 410.")
        id = client.create(webhookUrl=receiver.url).json()["id"]
        client.post(f"{JOBS}/{id}/cancel")
        assert WebhookDelivery.objects.get().from_order

    def test_second_cancel_sends_nothing(self, client, hook, new_job):
        job = new_job(Status.CANCELLED)
        client.post(f"{JOBS}/{job.pk}/cancel")
        assert WebhookDelivery.objects.count() == 1

    def test_row_is_rolled_back_with_the_end(self, hook, new_job):
        job = new_job("generating")
        try:
            with transaction.atomic():
                lifecycle.cancel(job=job, now=timezone.now())
                assert WebhookDelivery.objects.count() == 1
                raise ZeroDivisionError
        except ZeroDivisionError:
            assert not WebhookDelivery.objects.exists()

    def test_body_is_frozen_when_the_job_ended(self, client, hook, new_job, sent, settings):
        new_job(Status.SUCCEEDED)
        before = WebhookDelivery.objects.get().body
        settings.PUBLIC_URL = "https://other.example.com"
        assert sent() == [json.loads(before)]


def test_deleted_account_leaves_no_webhook(client, hook, new_job, send_due, receiver):
    new_job(Status.SUCCEEDED)
    new_job("generating")
    answer = client.delete("/api/v1/auth/me", {"password": PASSWORD}, format="json")
    assert answer.status_code == 204, answer.content
    send_due()
    assert receiver.received == []
    assert not Webhook.objects.exists()
    assert not WebhookDelivery.objects.exists()
