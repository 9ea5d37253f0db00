"""Deletion of an account by its user: what goes, and what stays."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts import api_keys
from accounts.models import ApiKey, User, UserNote
from jobs import account_deletion, job_creation, lifecycle, reruns
from jobs.models import (
    IdempotencyKey,
    JobCount,
    JobEvent,
    VideoJob,
    Webhook,
    WebhookDelivery,
)
from jobs.providers.base import Inputs
from jobs.webhooks import outbox, registry
from jobs.worker import cleanup
from tests.api import COST, JOBS, PASSWORD, TOKENS, assert_fault, assert_problem, by
from tests.job_states import order
from tests.staff_site import press
from tokens_ledger import ledger
from tokens_ledger.models import Entry

ME = "/api/v1/auth/me"
HOOK = "https://receiver.example.com/hook"


@pytest.fixture
def leave(client):
    def leave(password=PASSWORD, client=client):
        return client.delete(ME, {"password": password}, format="json")

    return leave


class TestDelete:
    def test_account_is_gone_at_once(self, leave, client, post, pair):
        assert leave().status_code == 204
        assert_problem(client.get(ME), 401, "user_inactive")
        assert post("token", username="alice", password=PASSWORD).status_code == 401
        assert post("token/refresh", refresh=pair.refresh).status_code == 401

    def test_name_address_password_keys_and_tokens_are_gone(self, leave, alice, pair):
        _, key = api_keys.create(user=alice, name="Renderer", now=timezone.now())
        leave()
        alice.refresh_from_db()
        assert alice.username == f"deleted-{alice.pk.hex}"
        assert (alice.email, alice.is_active, alice.has_usable_password()) == ("", False, False)
        assert not ApiKey.objects.exists()
        assert not OutstandingToken.objects.filter(user=alice).exists()
        assert by(key).get(ME).status_code == 401

    def test_jobs_are_gone_and_active_ones_were_cancelled(self, leave, client, alice, new_job, bob):
        for state in ("PENDING", "generating", "SUCCEEDED"):
            new_job(state)
        other = new_job(user=bob)
        client.create(
            headers={"Idempotency-Key": "mine"}, clientReference="invoice", negativePrompt="rain"
        )
        leave()
        assert [*VideoJob.objects.all()] == [other]
        assert set(JobEvent.objects.values_list("job", flat=True)) == {other.pk}
        assert not IdempotencyKey.objects.filter(user=alice).exists()
        assert not JobCount.objects.filter(user=alice).exists()
        # The PENDING job was refunded: it was not submitted yet.
        assert ledger.balance(user=alice) == TOKENS - 2 * COST

    def test_webhook_and_events_that_are_due_are_gone(self, leave, alice, new_job):
        registry.put(user=alice, url=HOOK, events=outbox.EVENTS, now=timezone.now())
        new_job("SUCCEEDED")
        new_job()
        assert WebhookDelivery.objects.count() == 1
        leave()
        assert not Webhook.objects.exists()
        assert not WebhookDelivery.objects.exists()

    def test_entries_stay_of_an_account_without_a_name(self, leave, boss, alice, new_job):
        new_job("SUCCEEDED")
        leave()
        assert Entry.objects.filter(account=alice.pk).count() == 2
        call_command("check_ledger")
        page = boss.get(f"/admin/accounts/user/{alice.pk}/change/").text
        assert f"deleted-{alice.pk.hex}" in page
        assert "alice" not in page

    def test_admin_log_keeps_the_actions_without_the_name(self, leave, boss, alice, new_job):
        job = new_job("SUCCEEDED")
        press(boss, "refund", job)
        page = f"/admin/accounts/user/{alice.pk}/grant/"
        once = "6d3b5c5e-0d3e-4a8c-8e5f-3f1d6b0c9a11"
        boss.post(page, {"amount": "5", "reason": "Sorry", "once": once, "post": "yes"})
        leave()
        assert LogEntry.objects.count() == 2
        assert not LogEntry.objects.filter(object_repr__icontains="alice").exists()

    def test_name_and_address_can_be_registered_again(self, leave, post):
        leave()
        answer = post("register", username="alice", email="alice@example.com", password=PASSWORD)
        assert answer.status_code == 201

    def test_user_without_tokens_can_leave(self, leave, client_of, carol):
        assert leave(client=client_of(carol)).status_code == 204
        assert not User.objects.filter(username="carol").exists()


class TestRefused:
    @pytest.mark.parametrize("password", ["wrong", "", None])
    def test_wrong_password_is_refused(self, leave, client, new_job, password):
        new_job()
        assert_fault(leave(password), field="password")
        assert client.get(JOBS).json()["total"] == 1

    def test_wrong_passwords_count_as_failed_logins(self, leave, post, rates):
        rates(login_name="2/min")
        assert [leave("wrong").status_code for _ in range(3)] == [400, 400, 429]
        assert post("token", username="alice", password=PASSWORD).status_code == 429

    def test_reading_the_account_is_not_throttled(self, client, rates):
        rates(login_name="2/min")
        assert [client.get(ME).status_code for _ in range(4)] == [200] * 4

    def test_key_deletes_no_account(self, leave, alice):
        _, key = api_keys.create(user=alice, name="Renderer", now=timezone.now())
        assert_problem(leave(client=by(key)), 403, "session_required")


class TestUnderWay:
    """What began before the deletion and ends after it."""

    def test_order_under_way_is_refused(self, leave, alice, anonymous):
        leave()
        with pytest.raises(ledger.AccountClosed):
            job_creation.create(user=alice, spec=order(), inputs=Inputs(), now=timezone.now())
        assert not VideoJob.objects.exists()

    def test_order_under_way_gets_401(self, client, alice, monkeypatch):
        def leave_first(**arguments):
            account_deletion.delete(user=alice, now=timezone.now())
            return create(**arguments)

        create = job_creation.create
        monkeypatch.setattr(job_creation, "create", leave_first)
        assert_problem(client.create(), 401, "user_inactive")

    def test_key_under_way_is_refused(self, leave, alice):
        leave()
        with pytest.raises(api_keys.OwnerInactive):
            api_keys.create(user=alice, name="x", now=timezone.now())

    def test_refund_and_rerun_by_staff_are_skipped(self, leave, boss, new_job, alice, member):
        job = new_job("FAILED")
        leave()
        answer = press(boss, "refund", job)
        assert "deleted" in answer.text
        VideoJob.objects.bulk_create([job])
        with pytest.raises(ledger.AccountClosed):
            reruns.retry(
                job=job, actor=member("Operator"), reason="x", charged=False, now=timezone.now()
            )

    def test_grant_by_staff_is_refused(self, leave, boss, alice):
        leave()
        page = f"/admin/accounts/user/{alice.pk}/grant/"
        once = "6d3b5c5e-0d3e-4a8c-8e5f-3f1d6b0c9a11"
        form = {"amount": "5", "reason": "Sorry", "once": once, "post": "yes"}
        assert "The user has deleted the account" in boss.post(page, form).text
        assert ledger.balance(user=alice) == TOKENS

    @pytest.mark.parametrize("action", ["note", "reactivate"])
    def test_action_of_staff_is_refused(self, leave, boss, alice, action):
        leave()
        page = f"/admin/accounts/user/{alice.pk}"
        assert f"/{action}/" not in boss.get(f"{page}/change/").text
        once = "6d3b5c5e-0d3e-4a8c-8e5f-3f1d6b0c9a11"
        form = {"reason": "She asked for it", "once": once, "post": "yes"}
        assert "has deleted the account" in boss.post(f"{page}/{action}/", form, follow=True).text
        assert not UserNote.objects.exists()
        assert not User.objects.get(pk=alice.pk).is_active

    def test_second_deletion_changes_nothing(self, alice):
        for _ in range(2):
            account_deletion.delete(user=alice, now=timezone.now())
        assert not User.objects.get(pk=alice.pk).is_active

    def test_webhook_under_way_is_deleted_by_the_cleanup(self, leave, alice):
        leave()
        registry.put(user=alice, url=HOOK, events=outbox.EVENTS, now=timezone.now())
        cleanup.purge_expired(now=timezone.now())
        assert not Webhook.objects.exists()

    def test_interrupted_deletion_is_finished_by_the_cleanup(self, alice, new_job, monkeypatch):
        new_job()
        new_job("SUCCEEDED")
        with monkeypatch.context() as killed:
            killed.setattr(account_deletion, "_delete_jobs", lambda user, now: None)
            account_deletion.delete(user=alice, now=timezone.now())
        assert VideoJob.objects.count() == 2
        cleanup.purge_expired(now=timezone.now())
        assert not VideoJob.objects.exists()
        assert ledger.balance(user=alice) == TOKENS - COST

    def test_deletion_that_ends_before_the_jobs_leaves_no_event(self, alice, new_job, monkeypatch):
        """The events contain prompts, those of jobs too that were deleted before the account."""
        registry.put(user=alice, url=HOOK, events=outbox.EVENTS, now=timezone.now())
        lifecycle.delete(job=new_job("SUCCEEDED"), now=timezone.now())
        assert WebhookDelivery.objects.count() == 1
        with monkeypatch.context() as killed:
            killed.setattr(account_deletion, "_delete_jobs", lambda user, now: None)
            account_deletion.delete(user=alice, now=timezone.now())
        assert not WebhookDelivery.objects.exists()

    def test_event_of_a_job_that_ends_during_the_deletion_goes_with_the_job(self, alice, new_job):
        registry.put(user=alice, url=HOOK, events=outbox.EVENTS, now=timezone.now())
        job, webhook = new_job(), Webhook.objects.get()
        with transaction.atomic():  # what the first transaction of the deletion does
            ledger.close(user=alice)
            Webhook.objects.all().delete()
        webhook.save(force_insert=True)  # as a worker saw it that ends the job meanwhile
        lifecycle.cancel(job=job, now=timezone.now())
        assert WebhookDelivery.objects.count() == 1
        account_deletion.finish(now=timezone.now())
        assert not WebhookDelivery.objects.exists()


# A program refreshes its token while its user's account is deleted, each on its own connection.
RACE = """
import threading, time
from django.db import connection
from django.utils import timezone
from accounts import jwt
from accounts.models import User
from jobs import account_deletion

alice = User.objects.create_user("alice")
refresh = jwt.issue(user=alice).refresh

def rotate():
    try:
        jwt.rotate(refresh=refresh)
    except Exception as error:
        print(error.default_code, end=" ")
    finally:
        connection.close()

program = threading.Thread(target=rotate)

def start_program(execute, sql, params, many, context):
    if sql.startswith('DELETE FROM "token_blacklist_outstanding') and not program.ident:
        program.start()
        with connection.cursor() as cursor:
            for _ in range(100):
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone()[0]:
                    break
                time.sleep(0.05)
    return execute(sql, params, many, context)

with connection.execute_wrapper(start_program):
    account_deletion.delete(user=alice, now=timezone.now())
program.join()
alice.refresh_from_db()
print(alice.is_active)
"""


@pytest.mark.live
def test_refresh_during_the_deletion_is_refused(stack):
    service = stack(webs=0, clusters=0)
    printed = service.manage("shell", "--no-imports", "-c", RACE, check=False)
    assert printed.stdout.split() == ["token_not_valid", "False"], printed.stderr[-500:]
