"""What each answer of a receiver leads to, and that no receiver delays another."""

import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from standardwebhooks import Webhook as Verifier

from accounts.models import User
from jobs.api import webhook_views
from jobs.models import Status, Tally, Webhook, WebhookDelivery, WebhookSender
from jobs.webhooks import outbox, records, schedule, sending
from jobs.worker import cleanup, webhook_limits, webhooks
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

    def test_retry_after_that_is_no_date_is_ignored(self, delivery, receiver, send_due):
        asked = f"Mon, 01 Jan 2024 00:00:00 +{9**25}"
        receiver.answer = lambda handler: reply(handler, 200, {"Retry-After": asked})
        send_due()
        assert delivery().status == "delivered"

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

    def test_slow_look_up_ends_in_time(self, delivery, put, send_due, monkeypatch):
        def slow(*args, **kwargs):
            time.sleep(3)
            raise socket.gaierror(socket.EAI_AGAIN, "Try again")

        put("https://slow.example.com/")
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        started = time.monotonic()
        send_due()
        assert time.monotonic() - started < 2
        assert "no answer within" in delivery().last_error

    def test_handshake_that_drips_ends_in_time(self, delivery, put, send_due):
        """Each byte of the TLS record is within the time-out of one read."""
        with socket.create_server(("127.0.0.1", 0)) as server:

            def drip():
                with server.accept()[0] as connected, suppress(OSError):
                    for byte in b"\x16\x03\x03\x00\x7a" + b"x" * 30:
                        connected.sendall(bytes([byte]))
                        time.sleep(0.2)

            threading.Thread(target=drip).start()
            put(f"https://127.0.0.1:{server.getsockname()[1]}/")
            started = time.monotonic()
            send_due()
            assert time.monotonic() - started < 2
        assert "no answer within" in delivery().last_error

    def test_at_most_16_kb_are_read(self, delivery, receiver, send_due):
        written = []

        def long_headers(handler):
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(90):
                handler.wfile.write(b"X-%d: %s\r\n" % (number, b"x" * 60_000))
                written.append(60_000)

        receiver.answer = long_headers
        send_due()
        assert delivery().status == "delivered"
        assert sum(written) < 3_000_000  # in the kernel's buffers; not the 5,400,000 in all

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


@pytest.mark.slow
class TestManyReceivers:
    @pytest.fixture
    def deliver(self, hook, new_job):
        """Writes deliveries to these URLs, which have been due for `age`."""
        job = new_job(Status.CANCELLED)
        WebhookDelivery.objects.all().delete()

        def deliver(urls, *, user=job.user, age=timedelta(0)):
            now = timezone.now()
            WebhookDelivery.objects.bulk_create(
                WebhookDelivery(
                    user=user,
                    job_id=job.pk,
                    type="video_job.cancelled",
                    url=url,
                    host=outbox.host(url),
                    from_order=True,
                    body="{}",
                    next_try_at=now - age,
                    created_at=now,
                )
                for url in urls
            )

        return deliver

    @pytest.fixture
    def bobs(self, bob, client_of, receiver):
        """Bob, who has a webhook."""
        client_of(bob).put("/api/v1/webhook", {"url": receiver.url}, format="json")
        return bob

    @pytest.fixture
    def seconds_until_received(self, receiver):
        """Sends until the receiver has got something."""

        def wait(sender):
            started = time.monotonic()
            while not receiver.received and time.monotonic() - started < 20:
                sender._claim()
                sender._start()
                sender._record(0.05)
            return receiver.received[0].at - started

        return wait

    @pytest.fixture
    def sender(self):
        return webhooks.Sender(uuid4())

    def test_at_most_two_are_open_to_one_host(self, deliver, receiver, send_due):
        receiver.answer = slowly(0.05)
        deliver([receiver.url] * 20)
        send_due()
        assert len(receiver.received) == 20
        assert receiver.most_open == 2

    @pytest.mark.alone
    def test_thousand_to_a_dead_host_delay_another_by_less_than_a_second(
        self, deliver, receiver, sender, seconds_until_received
    ):
        with receivers.receiver(host="localhost") as dead:
            dead.answer = slowly(3)
            deliver([dead.url] * 1_000, age=timedelta(hours=1))
            deliver([receiver.url])
            assert seconds_until_received(sender) < 1
            assert dead.most_open <= 2
            assert len(sender.mine) <= webhook_limits.MAX_QUEUED_PER_USER + 2

    @pytest.fixture
    def slow_hosts(self, settings, monkeypatch):
        """URLs of a hundred hosts that answer after 14 seconds."""
        hosts = [f"slow{number}.example" for number in range(100)]
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *args, **kwargs: real(
                "localhost" if host in hosts else host, *args, **kwargs
            ),
        )
        settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1", "localhost", *hosts]
        with receivers.receiver() as slow:
            slow.answer = slowly(14)
            yield [slow.url.replace("127.0.0.1", host) for host in hosts]

    @pytest.mark.alone
    def test_hundred_slow_hosts_of_one_user_delay_no_other_user(
        self, deliver, bobs, receiver, sender, slow_hosts, seconds_until_received
    ):
        deliver(slow_hosts * 10, age=timedelta(hours=1))
        for _ in range(40):  # until it is known how slow they are
            sender._claim()
            sender._start()
            sender._record(0.05)
        deliver([receiver.url], user=bobs)
        assert seconds_until_received(sender) < 1
        of_alice = sender.limits.users.total()
        assert webhook_limits.MAX_OPEN_SLOW / 5 <= of_alice <= webhook_limits.MAX_OPEN / 5

    @pytest.mark.alone
    def test_many_slow_users_share_what_is_for_slow_receivers(
        self, deliver, many_users, receiver, sender, slow_hosts, seconds_until_received
    ):
        *slow, fast = many_users(31)
        for number, user in enumerate(slow):
            hosts = slow_hosts[number * 3 :][:3]  # shared with no other user
            deliver(hosts * 3, user=user, age=timedelta(hours=1))
            sender.limits.slow_until[user.pk] = time.monotonic() + 60
        for _ in range(60):
            sender._claim()
            sender._start()
            sender._record(0.02)
        of_each = [sender.limits.users[user.pk] for user in slow]
        assert min(of_each) == 1
        assert sum(of_each) <= webhook_limits.MAX_OPEN_SLOW
        deliver([receiver.url], user=fast)
        assert seconds_until_received(sender) < 1

    @pytest.fixture
    def many_users(self, hook, django_user_model):
        def make(count):
            users = django_user_model.objects.bulk_create(
                django_user_model(username=f"user{number}") for number in range(count)
            )
            row = hook.row()
            for user in users:
                row.pk, row.user = None, user
                row.save(force_insert=True)
            return users

        return make

    def test_host_behind_many_others_of_its_user_gets_its_turn(self, deliver, sender):
        deliver([f"https://h{number:03}.example.com/" for number in range(50)])
        WebhookDelivery.objects.exclude(host="h045.example.com").update(
            next_try_at=timezone.now() + timedelta(hours=1)
        )
        assert any(sender.destinations.due(now=timezone.now()) for _ in range(3))

    def test_claim_does_not_read_the_backlog(self, deliver, sender, receiver):
        """It is a few statements whatever waits, and finds the destinations by their index."""
        deliver([receiver.url] * 300)
        with CaptureQueriesContext(connection) as few:
            sender._claim()
        deliver([receiver.url] * 3_000)
        deliver([f"https://h{number % 300}.example.com/" for number in range(3_000)])
        WebhookDelivery.objects.exclude(host="127.0.0.1").update(
            next_try_at=timezone.now() + timedelta(hours=1)
        )
        with CaptureQueriesContext(connection) as many:
            webhooks.Sender(uuid4())._claim()
        assert len(many) <= len(few)
        [read] = [each["sql"] for each in many if "RECURSIVE" in each["sql"]]
        assert "delivery_by_destination" in explained(read)


def explained(sql):
    """The plan, without sequential scans of a small table."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE jobs_webhookdelivery")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(str(row) for row in cursor.fetchall())


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

    @pytest.mark.parametrize("over", [timedelta(seconds=-1), timedelta(hours=1)])
    def test_only_one_process_sends(self, delivery, monkeypatch, over):
        """Until its lease is over, or the clock was set back since."""
        WebhookSender.objects.update(until=timezone.now() + timedelta(seconds=5), holder=uuid4())
        started = []
        monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self))
        webhooks.deliver_due()
        assert not started
        WebhookSender.objects.update(until=timezone.now() + over)
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


class TestOutcomes:
    def test_one_that_cannot_be_written_does_not_block_others(self, hook, new_job):
        for _ in range(2):
            new_job(Status.SUCCEEDED)
        bad, good = WebhookDelivery.objects.all()
        outcomes = [
            (bad, sending.Outcome(-1, "", 5)),  # the column refuses it
            (good, sending.Outcome(204, "", 5)),
        ]
        records.write(outcomes, now=timezone.now())
        bad.refresh_from_db()
        good.refresh_from_db()
        assert (bad.status, good.status) == ("failed", "delivered")

    def test_error_of_our_own_is_a_failed_try(self, delivery, send_due, monkeypatch, caplog):
        def broken(**_):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(sending, "post", broken)
        send_due()
        assert (delivery().status, delivery().attempts) == ("pending", 1)
        assert delivery().last_error == "The request could not be made."
        assert "can't start new thread" in caplog.text


class TestDeactivatedUser:
    def test_nothing_is_sent_until_the_user_is_active_again(
        self, delivery, receiver, send_due, alice, hook
    ):
        User.objects.update(is_active=False)
        send_due()
        assert not receiver.received
        assert (delivery().status, delivery().last_error) == (
            "pending",
            "The account is deactivated.",
        )
        assert hook.row().failing_since is None
        User.objects.update(is_active=True)
        make_due()
        send_due()
        assert delivery().status == "delivered"


class TestChangesAfterTheClaim:
    def test_delivery_of_a_deleted_webhook_is_not_sent(self, delivery, receiver, client):
        sender = webhooks.Sender(uuid4())
        assert sender._claim()
        client.delete("/api/v1/webhook")
        sender.send_all()
        assert not receiver.received
        assert delivery().status == "failed"

    def test_event_written_while_the_url_changed_goes_to_the_new_one(
        self, delivery, receiver, send_due, put
    ):
        put(f"{receiver.url}/new")
        # By a transaction that had read the webhook before the change.
        WebhookDelivery.objects.update(url="https://old.example.com/", host="old.example.com")
        send_due()
        assert [got.path for got in receiver.received] == ["/hook/new"]
        assert delivery().status == "delivered"

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
