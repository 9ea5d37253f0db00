"""The webhook's endpoints, and `webhookUrl` on an order."""

import base64
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from standardwebhooks import Webhook as Verifier

from jobs.models import Status, VideoJob, Webhook, WebhookDelivery
from jobs.webhooks import registry, secrets
from tests.api import assert_fault, assert_problem
from tests.clients import node_tools
from tests.jobs.webhooks.conftest import WEBHOOK
from tests.receiver import reply

URL = "https://hooks.example.com/video"
OTHER = "whsec_bm90IGEgcmVhbCBzZWNyZXQsIG9ubHkgYW4gZXhhbXBsZQ=="
VERIFY = """
import { readFileSync } from "node:fs";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
const [body, headers] = ["body", "headers"].map(name => readFileSync(name, "utf8"));
try {
  const webhook = new Webhook(process.argv[2]);
  console.log(webhook.verify(body, JSON.parse(headers)).type);
} catch (error) {
  if (!(error instanceof WebhookVerificationError)) throw error;
  console.log("no");
}
"""
EVENTS = ["video_job.succeeded", "video_job.failed", "video_job.cancelled"]


class TestPut:
    def test_first_put_returns_the_secret(self, put, client):
        answer = put(URL)
        assert answer.status_code == 201
        body = answer.json()
        assert set(body) == {"url", "events", "disabledReason", "createdAt", "secret"}
        assert (body["url"], body["events"], body["disabledReason"]) == (URL, EVENTS, None)
        assert body["secret"].startswith("whsec_")
        assert len(base64.b64decode(body["secret"].removeprefix("whsec_"))) == 32
        del body["secret"]
        assert client.get(WEBHOOK).json() == body

    def test_second_put_changes_the_webhook_and_keeps_the_secret(self, put, client):
        put(URL)
        kept = Webhook.objects.get().secret
        answer = put(f"{URL}/2", events=["video_job.failed", "video_job.failed"])
        assert answer.status_code == 200
        assert "secret" not in answer.json()
        assert client.get(WEBHOOK).json()["events"] == ["video_job.failed"]
        assert Webhook.objects.get().secret == kept

    def test_put_switches_a_webhook_on_again(self, put, client):
        put(URL)
        Webhook.objects.update(disabled_reason="The receiver answered 410.")
        assert client.get(WEBHOOK).json()["disabledReason"] == "The receiver answered 410."
        put(URL)
        assert client.get(WEBHOOK).json()["disabledReason"] is None

    def test_secret_is_encrypted_in_the_database(self, put):
        secret = put(URL).json()["secret"]
        row = Webhook.objects.get()
        assert secret not in str(vars(row))
        assert secret.removeprefix("whsec_") not in str(vars(row))

    def test_invalid_webhook_is_refused(self, client):
        wrong: list[tuple[dict[str, Any], str, str]] = [
            ({}, "url", "URL is required"),
            ({"url": 7}, "url", "URL must be text"),
            ({"url": "http://example.com/"}, "url", "URL must begin with https://"),
            ({"url": URL, "event": []}, "event", "Unknown field 'event': did you mean 'events'?"),
            ({"url": URL, "events": []}, "events", "Events must be a list with "),
            ({"url": URL, "events": "video_job.failed"}, "events", "Events must be a list with "),
            ({"url": URL, "events": ["job.failed"]}, "events", "Each of the events must be "),
        ]
        for fields, field, message in wrong:
            answer = client.put(WEBHOOK, fields, format="json")
            assert assert_fault(answer, field=field)["detail"].startswith(message)
        assert not Webhook.objects.exists()


class TestDelete:
    def test_deleted_webhook_sends_nothing_more(self, client, hook, new_job, send_due, receiver):
        new_job(Status.SUCCEEDED)
        assert client.delete(WEBHOOK).status_code == 204
        send_due()
        assert receiver.received == []
        assert client.get(WEBHOOK).status_code == 404
        assert WebhookDelivery.objects.get().status == "failed"

    def test_second_delete_leaves_the_events_of_a_new_webhook(self, put, client, hook, new_job):
        former = hook.row()
        client.delete(WEBHOOK)
        put(URL)
        new_job(Status.CANCELLED)
        registry.delete(webhook=former)
        assert WebhookDelivery.objects.get().status == "pending"


class TestRotate:
    def test_both_secrets_sign_for_a_day(self, client, hook, new_job, send_due, receiver):
        answer = client.post(f"{WEBHOOK}/rotate")
        assert answer.status_code == 200
        new = answer.json()["secret"]
        assert new != hook.secret
        new_job(Status.SUCCEEDED)
        send_due()
        [got] = receiver.received
        for secret in (hook.secret, new):
            Verifier(secret).verify(got.body, got.headers)
        assert len(got.headers["webhook-signature"].split()) == 2

    @pytest.mark.slow
    def test_both_secrets_verify_with_the_package_for_javascript(
        self, client, hook, receiver, tmp_path
    ):
        new = client.post(f"{WEBHOOK}/rotate").json()["secret"]
        client.post(f"{WEBHOOK}/test")
        [got] = receiver.received
        for name, text in (("headers", json.dumps(got.headers)), ("body", got.body.decode())):
            (tmp_path / name).write_text(text)
        script = tmp_path / "verify.mjs"
        script.write_text(VERIFY)
        node_tools.link_packages(tmp_path)
        for secret, says in ((hook.secret, "webhook.test"), (new, "webhook.test"), (OTHER, "no")):
            assert node_tools.run_script(script, secret, cwd=tmp_path).split() == [says]

    def test_each_old_secret_signs_for_a_day(self, hook):
        known, now = [hook.secret], timezone.now()
        for hours in (0.0, 1.0, 23.0):
            moment = now + timedelta(hours=hours)
            known.append(registry.rotate(webhook=hook.row(), now=moment))
        for hours, valid in ((23.9, known), (24.1, known[1:]), (25.1, known[2:]), (48, known[3:])):
            moment = now + timedelta(hours=hours)
            assert sorted(secrets.of(hook.row(), now=moment)) == sorted(valid)

    def test_rotations_are_throttled(self, client, hook):
        for _ in range(5):
            assert client.post(f"{WEBHOOK}/rotate").status_code == 200
        assert_problem(client.post(f"{WEBHOOK}/rotate"), 429, "throttled")

    def test_secrets_are_encrypted_under_the_new_key(self, client, hook, settings):
        now, old = timezone.now(), settings.SECRET_KEY
        known = sorted([hook.secret, *(registry.rotate(webhook=hook.row(), now=now) for _ in "12")])
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 9, [old]
        assert sorted(secrets.of(hook.row(), now=now)) == known
        call_command("reencrypt_webhook_secrets")
        settings.SECRET_KEY_FALLBACKS = []
        assert sorted(secrets.of(hook.row(), now=now)) == known
        settings.SECRET_KEY = "third" * 9
        with pytest.raises(CommandError, match="1 cannot be read"):
            call_command("reencrypt_webhook_secrets")

    def test_unreadable_secret_is_replaced(self, client, hook, settings):
        settings.SECRET_KEY = "another" * 9
        assert_problem(client.post(f"{WEBHOOK}/test"), 409, "secret_unreadable")
        assert client.post(f"{WEBHOOK}/rotate").status_code == 200
        assert client.post(f"{WEBHOOK}/test").json()["status"] == 204


class TestTest:
    def test_test_is_sent_at_once(self, client, hook, receiver):
        answer = client.post(f"{WEBHOOK}/test")
        assert answer.status_code == 200
        body = answer.json()
        assert (body["status"], body["error"]) == (204, None)
        assert 0 <= body["milliseconds"] < 15_000
        [got] = receiver.received
        sent = Verifier(hook.secret).verify(got.body, got.headers)
        assert sent["type"] == "webhook.test"
        assert client.get(f"{WEBHOOK}/deliveries").json()["deliveries"] == []

    def test_failure_is_a_sentence(self, client, hook, receiver):
        receiver.answer = lambda handler: reply(handler, 500)
        answer = client.post(f"{WEBHOOK}/test").json()
        assert answer["status"] == 500
        assert answer["error"] == "The receiver answered 500."

    def test_tests_are_throttled(self, client, hook):
        for _ in range(10):
            assert client.post(f"{WEBHOOK}/test").status_code == 200
        answer = client.post(f"{WEBHOOK}/test")
        assert_problem(answer, 429, "throttled")
        assert "Retry-After" in answer.headers


class TestDeliveries:
    def test_delivery_is_listed(self, client, hook, new_job, send_due, receiver):
        job = new_job(Status.FAILED)
        [row] = client.get(f"{WEBHOOK}/deliveries").json()["deliveries"]
        assert (row["status"], row["attempts"], row["lastStatus"]) == ("pending", 0, None)
        send_due()
        listed = client.get(f"{WEBHOOK}/deliveries").json()
        assert listed == {
            "deliveries": [
                {
                    "id": receiver.received[0].headers["webhook-id"],
                    "type": "video_job.failed",
                    "jobId": str(job.pk),
                    "url": receiver.url,
                    "status": "delivered",
                    "attempts": 1,
                    "lastStatus": 204,
                    "lastError": None,
                    "createdAt": row["createdAt"],
                }
            ],
            "nextCursor": None,
            "hasMore": False,
        }

    def test_pages_and_status(self, client, hook, many, new_job, send_due):
        jobs = [new_job(Status.CANCELLED) for _ in range(3)]
        send_due()
        new_job(Status.CANCELLED)
        page = client.get(f"{WEBHOOK}/deliveries?limit=2&status=Delivered").json()
        assert page["hasMore"]
        rest = client.get(
            f"{WEBHOOK}/deliveries?status=delivered&limit=2&after={page['nextCursor']}"
        ).json()
        listed = [each["jobId"] for each in page["deliveries"] + rest["deliveries"]]
        assert listed == [str(job.pk) for job in reversed(jobs)]
        assert not rest["hasMore"]
        answer = client.get(f"{WEBHOOK}/deliveries?status=lost")
        assert_fault(answer, field="status")

    def test_strangers_delivery_is_404(self, client, hook, new_job, client_of, bob):
        new_job(Status.CANCELLED)
        other = client_of(bob)
        other.put(WEBHOOK, {"url": URL}, format="json")
        assert other.get(f"{WEBHOOK}/deliveries").json()["deliveries"] == []
        pk = WebhookDelivery.objects.get().pk
        for id in (pk, "nonsense", uuid.uuid4()):
            assert_problem(other.post(f"{WEBHOOK}/deliveries/{id}/replay"), 404, "not_found")


class TestReplay:
    def test_same_id_and_body_are_sent_again(self, client, hook, new_job, send_due, receiver):
        new_job(Status.SUCCEEDED)
        send_due()
        pk = WebhookDelivery.objects.get().pk
        answer = client.post(f"{WEBHOOK}/deliveries/{pk}/replay")
        assert answer.status_code == 202
        assert answer.json()["status"] == "pending"
        send_due()
        first, second = receiver.received
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert WebhookDelivery.objects.get().status == "delivered"

    def test_replay_is_one_try(self, client, hook, new_job, send_due, receiver):
        new_job(Status.SUCCEEDED)
        send_due()
        receiver.answer = lambda handler: reply(handler, 500)
        pk = WebhookDelivery.objects.get().pk
        client.post(f"{WEBHOOK}/deliveries/{pk}/replay")
        send_due()
        assert WebhookDelivery.objects.get().status == "failed"
        assert hook.row().failing_since is None

    def test_replays_are_throttled(self, client, hook, new_job):
        new_job(Status.SUCCEEDED)
        path = f"{WEBHOOK}/deliveries/{WebhookDelivery.objects.get().pk}/replay"
        for _ in range(60):
            assert client.post(path).status_code == 202
        assert_problem(client.post(path), 429, "throttled")


class TestWebhookUrl:
    def test_order_with_its_own_url(self, client, put, receiver, send_due):
        secret = put(URL).json()["secret"]
        answer = client.create(webhookUrl=f"{receiver.url}/own")
        assert answer.status_code == 202
        assert "webhookUrl" not in answer.json()
        client.post(f"/api/v1/video-jobs/{answer.json()['id']}/cancel")
        send_due()
        [got] = receiver.received
        assert got.path == "/hook/own"
        assert Verifier(secret).verify(got.body, got.headers)["type"] == "video_job.cancelled"

    def test_without_webhook_it_is_refused(self, client, tokens, alice):
        before = tokens(alice)
        answer = client.create(webhookUrl=URL)
        assert "make one first" in assert_fault(answer, field="webhookUrl")["detail"]
        assert tokens(alice) == before
        assert not VideoJob.objects.exists()

    def test_it_is_part_of_what_idempotency_compares(self, client, put):
        put(URL)
        key = {"Idempotency-Key": "a"}
        first = client.create(headers=key, webhookUrl=URL)
        again = client.create(headers=key, webhookUrl=URL)
        assert again.json()["id"] == first.json()["id"]
        other = client.create(headers=key, webhookUrl=f"{URL}/2")
        assert_fault(other, 422, "idempotency_mismatch", "Idempotency-Key")
        assert client.create(headers=key).status_code == 422

    def test_private_url_is_refused(self, client, put):
        put(URL)
        answer = client.create(webhookUrl="https://127.0.0.1/")
        detail = assert_fault(answer, field="webhookUrl")["detail"]
        assert detail == "Webhook URL must be a public address"


def test_order_is_replayed_after_its_webhook_was_deleted(hook, client, receiver):
    order = {"headers": {"idempotency-key": "k"}, "webhookUrl": receiver.url}
    job = client.create(**order).json()["id"]
    client.delete(WEBHOOK)
    again = client.create(**order)
    assert (again.status_code, again.json()["id"]) == (202, job)
