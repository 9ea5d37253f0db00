"""What each answer of a receiver leads to, and that no receiver delays another."""

import socket
import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from standardwebhooks import Webhook as Verifier

from jobs.api import webhook_views
from jobs.models import Status, Tally, Webhook, WebhookDelivery, WebhookSender
from jobs.webhooks import schedule, sending
from jobs.worker import cleanup, webhooks
from tests import receiver as receivers
from tests.receiver import reply, slowly


@pytest.fixture
def delivery(hook, new_job):
    """The delivery of a job that has ended: its row now."""
    new_job(Status.SUCCEEDED)
    return lambda: WebhookDelivery.objects.get()


def make_due():
    WebhookDelivery.objects.filter(status="pending").update(next_try_at=timezone.now())


def seconds_left(row):
    return (row.next_try_at - timezone.now()).total_seconds()


class TestAnswers:
    @pytest.mark.parametrize("status", [200, 202, 204, 299])
    def test_any_2xx_is_success(self, delivery, receiver, send_due, status, commits):
        receiver.answer = lambda handler: reply(handler, status)
        send_due()
        row = delivery()
        assert (row.status, row.attempts, row.last_status) == ("delivered", 1, status)
        assert Tally.objects.get(name="webhooks").kind == "delivered"

    @pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
    def test_any_other_status_is_tried_again(self, delivery, receiver, send_due, status):
        receiver.answer = lambda handler: reply(handler, status)
        send_due()
        row = delivery()
        assert (row.status, row.attempts, row.last_status) == ("pending", 1, status)
        assert str(status) in row.last_error
        assert 3 < seconds_left(row) < 6

    def test_schedule_of_tries(self, delivery, receiver, send_due, hook, commits):
        receiver.answer = lambda handler: reply(handler, 500)
        waits = []
        while delivery().status == "pending":
            send_due()
            if delivery().next_try_at:
                waits.append(seconds_left(delivery()))
            make_due()
        assert len(receiver.received) == 10
        expected = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
        for wait, least in zip(waits, expected, strict=True):
            assert least - 5 < wait < least * 1.1 + 1
        assert delivery().status == "failed"
        assert len({got.headers["webhook-id"] for got in receiver.received}) == 1
        assert len({got.body for got in receiver.received}) == 1
        assert Tally.objects.get(name="webhooks").kind == "failed"

    def test_each_try_has_its_own_timestamp(self, delivery, receiver, send_due, hook, monkeypatch):
        receiver.answer = lambda handler: reply(handler, 500)
        send_due()
        make_due()
        later = timezone.now() + timedelta(seconds=90)
        monkeypatch.setattr(webhooks.timezone, "now", lambda: later)
        send_due()
        first, second = receiver.received
        assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
        Verifier(hook.secret).verify(second.body, second.headers)

    @pytest.mark.parametrize(("asked", "least"), [("120", 119), ("1", 4), ("nonsense", 4)])
    def test_retry_after_is_honoured(self, delivery, receiver, send_due, asked, least):
        receiver.answer = lambda handler: reply(handler, 429, {"Retry-After": asked})
        send_due()
        assert least < seconds_left(delivery()) < least + 3

    def test_retry_after_as_a_date(self, delivery, receiver, send_due):
        receiver.answer = lambda handler: reply(
            handler, 503, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}
        )
        send_due()
        assert 86_390 < seconds_left(delivery()) <= 86_400

    def test_410_switches_the_webhook_off(self, delivery, receiver, send_due, hook, client):
        receiver.answer = lambda handler: reply(handler, 410)
        send_due()
        assert delivery().status == "failed"
        assert (
            client.get("/api/v1/webhook").json()["disabledReason"] == "The receiver answered 410."
        )

    def test_410_of_an_orders_url_ends_that_delivery_alone(self, client, hook, receiver, send_due):
        receiver.answer = lambda handler: reply(handler, 410)
        id = client.create(webhookUrl=receiver.url).json()["id"]
        client.post(f"/api/v1/video-jobs/{id}/cancel")
        send_due()
        assert WebhookDelivery.objects.get().status == "failed"
        assert hook.row().disabled_reason == ""

    def test_week_of_failures_switches_the_webhook_off(self, delivery, receiver, send_due, hook):
        receiver.answer = lambda handler: reply(handler, 500)
        send_due()
        assert hook.row().failing_since
        Webhook.objects.update(failing_since=timezone.now() - schedule.FAILING_LIMIT)
        make_due()
        send_due()
        assert hook.row().disabled_reason == "Every delivery of a week failed."
        assert delivery().status == "failed"

    def test_success_ends_the_week(self, delivery, receiver, send_due, hook):
        Webhook.objects.update(failing_since=timezone.now() - timedelta(days=6))
        send_due()
        assert hook.row().failing_since is None

    def test_new_url_gets_what_was_not_delivered(self, delivery, receiver, send_due, put):
        receiver.answer = lambda handler: reply(handler, 500)
        send_due()
        receiver.answer = lambda handler: reply(handler, 204)
        put(f"{receiver.url}/new")
        make_due()
        send_due()
        assert receiver.received[1].path == "/hook/new"
        assert delivery().status == "delivered"


class TestBrokenReceivers:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch):
        monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 0.5)

    def test_late_answer_is_a_failure(self, delivery, receiver, send_due):
        receiver.answer = slowly(1.0, status=200)
        send_due()
        row = delivery()
        assert (row.status, row.last_status) == ("pending", None)
        assert "no answer within" in row.last_error

    @pytest.mark.alone
    def test_headers_that_drip_end_in_time(self, delivery, receiver, send_due):
        def drip(handler):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 40:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.1)

        receiver.answer = drip
        started = time.monotonic()
        send_due()
        assert time.monotonic() - started < 2
        assert "no answer within" in delivery().last_error

    def test_body_without_end_is_not_read(self, delivery, receiver, send_due):
        written = []

        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(b"x" * 1000)
                written.append(1000)

        receiver.answer = endless
        send_due()
        assert delivery().status == "delivered"

    @pytest.mark.alone
    def test_body_that_drips_is_success_in_time(self, delivery, receiver, send_due):
        def drip(handler):
            handler.send_response(200)
            handler.end_headers()
            for _ in range(30):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.1)

        receiver.answer = drip
        started = time.monotonic()
        send_due()
        assert time.monotonic() - started < 2
        assert delivery().status == "delivered"

    def test_reset_is_a_failure(self, delivery, receiver, send_due):
        receiver.answer = lambda handler: handler.connection.close()
        send_due()
        assert delivery().last_error == "The connection failed."

    def test_nobody_listens(self, delivery, put, send_due):
        put("http://127.0.0.1:9/")
        send_due()
        assert delivery().last_error == "The connection failed."

    def test_name_that_does_not_resolve(self, delivery, put, send_due, monkeypatch):
        def unknown(*args, **kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        put("https://nowhere.example.com/")
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        send_due()
        assert delivery().last_error == "The URL's host cannot be found."

    def test_refused_url_is_not_tried(self, delivery, receiver, send_due, settings):
        settings.WEBHOOK_ALLOWED_HOSTS = []  # since the webhook was made
        send_due()
        assert delivery().last_error == "The URL must begin with https://."
        assert receiver.connections == 0


class TestManyReceivers:
    def deliver(self, new_job, url, count, **columns):
        job = new_job(Status.CANCELLED)
        WebhookDelivery.objects.all().delete()
        now = timezone.now()
        WebhookDelivery.objects.bulk_create(
            WebhookDelivery(
                user_id=job.user_id,
                job_id=job.pk,
                type="video_job.cancelled",
                url=url,
                host=columns["host"],
                from_order=True,
                body="{}",
                next_try_at=now - columns.get("age", timedelta(0)),
                created_at=now,
            )
            for _ in range(count)
        )

    def test_at_most_two_are_open_to_one_host(self, hook, new_job, receiver, send_due):
        receiver.answer = slowly(0.05)
        self.deliver(new_job, receiver.url, 20, host="127.0.0.1")
        send_due()
        assert len(receiver.received) == 20
        assert receiver.most_open == 2

    @pytest.mark.alone
    def test_thousand_to_a_dead_host_delay_another_by_less_than_a_second(
        self, hook, new_job, receiver, settings
    ):
        settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
        with receivers.receiver(host="localhost") as dead:
            dead.answer = slowly(3)
            old = timedelta(hours=1)
            self.deliver(new_job, dead.url, 1_000, host="localhost", age=old)
            self._add(new_job, receiver.url)
            sender = webhooks.Sender(uuid4())
            started = time.monotonic()
            while not receiver.received:
                more = sender._claim()
                sender._start()
                sender._record(0 if more else 0.2)
            assert receiver.received[0].at - started < 1
            assert dead.most_open <= 2
            assert len(sender.mine) <= webhooks.MAX_QUEUED

    def _add(self, new_job, url):
        first = WebhookDelivery.objects.all()[0]
        first.pk, first.url, first.host = uuid4(), url, "127.0.0.1"
        first.next_try_at = timezone.now()
        first.save(force_insert=True)


class TestClaims:
    def test_claimed_row_is_leased(self, delivery):
        sender = webhooks.Sender(uuid4())
        sender._claim()
        assert 20 < seconds_left(delivery()) <= 30
        assert not webhooks.Sender(uuid4())._claim()

    def test_rows_of_a_dead_sender_are_sent_again(self, delivery, receiver, send_due):
        webhooks.Sender(uuid4())._claim()
        send_due()
        assert receiver.received == []
        make_due()  # the lease has ended
        send_due()
        assert len(receiver.received) == 1

    def test_stopping_sender_gives_its_rows_back(self, delivery):
        holder = uuid4()
        WebhookSender.objects.update(holder=holder)
        sender = webhooks.Sender(holder)
        sender._claim()
        sender._stop()
        assert seconds_left(delivery()) <= 0
        assert WebhookSender.objects.get().holder is None

    def test_only_one_process_sends(self, delivery, monkeypatch):
        WebhookSender.objects.update(until=timezone.now() + timedelta(seconds=5), holder=uuid4())
        started = []
        monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self))
        webhooks.deliver_due()
        assert not started
        WebhookSender.objects.update(until=timezone.now() - timedelta(seconds=1))
        webhooks.deliver_due()
        assert len(started) == 1

    def test_nothing_due_costs_one_statement(self, db, django_assert_num_queries):
        with django_assert_num_queries(1):
            webhooks.deliver_due()

    def test_rows_are_removed_after_30_days(self, delivery):
        cleanup.purge_expired(now=timezone.now() + timedelta(days=29))
        assert WebhookDelivery.objects.exists()
        cleanup.purge_expired(now=timezone.now() + timedelta(days=31))
        assert not WebhookDelivery.objects.exists()


class TestChangesAfterTheClaim:
    def test_delivery_of_a_deleted_webhook_is_not_sent(self, delivery, receiver, client):
        sender = webhooks.Sender(uuid4())
        assert sender._claim()
        client.delete("/api/v1/webhook")
        sender.send_all()
        assert not receiver.received
        assert delivery().status == "failed"

    def test_attempts_beyond_the_column_are_not_counted(
        self, delivery, receiver, send_due, commits
    ):
        WebhookDelivery.objects.update(attempts=32_767)
        send_due()
        assert (delivery().status, len(receiver.received)) == ("delivered", 1)


class TestSimultaneousTests:
    def test_third_test_in_a_process_is_429(self, hook, client, monkeypatch):
        occupied = threading.BoundedSemaphore(1)
        occupied.acquire()
        monkeypatch.setattr(webhook_views, "_open_tests", occupied)
        answer = client.post("/api/v1/webhook/test")
        assert (answer.status_code, answer["Retry-After"]) == (429, "15")
