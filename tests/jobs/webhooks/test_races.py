"""The sender, a user and the cleanup change the same deliveries, each on its own connection."""

import pytest

RACE = """
import threading, time
from django.db import connection, transaction
from django.utils import timezone
from accounts.models import User
from jobs.models import Webhook, WebhookDelivery
from jobs.webhooks import records, registry
from jobs.webhooks.sending import Outcome

OLD, NEW = "https://old.example.com/", "https://new.example.com/"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
now = timezone.now()
alice = User.objects.create_user("alice")
webhook, _ = registry.put(user=alice, url=OLD, events=[], now=now)
[delivery] = WebhookDelivery.objects.bulk_create([WebhookDelivery(
    user=alice, job_id=alice.pk, type="x", url=OLD, host="old.example.com", from_order=False,
    body="{}", next_try_at=now, created_at=now,
)])

def change():
    try:
        registry.put(user=alice, url=NEW, events=[], now=now)
    except Exception as error:
        print(error)
    finally:
        connection.close()

changer = threading.Thread(target=change)

def start_changer(execute, sql, params, many, context):
    if sql.startswith('UPDATE "jobs_webhook" ') and not changer.ident:
        changer.start()
        with connection.cursor() as cursor:
            for _ in range(100):
                cursor.execute(WAITING)
                if cursor.fetchone()[0]:
                    break
                time.sleep(0.05)
    return execute(sql, params, many, context)

with connection.execute_wrapper(start_changer):
    records.write([(delivery, Outcome(500, "The receiver answered 500.", 1))], now=now)
changer.join()
delivery.refresh_from_db()
print(delivery.url, delivery.attempts)
"""


@pytest.mark.live
def test_change_of_the_url_waits_for_the_outcomes_of_its_deliveries(stack):
    service = stack(webs=0, clusters=0)
    printed = service.manage("shell", "--no-imports", "-c", RACE).stdout
    assert printed.split() == ["https://new.example.com/", "1"]


# Two transactions change three deliveries in opposite order, while a third one holds the second row
# until both wait for it.
OPPOSITE = """
import threading, time
from datetime import timedelta
from django.db import connection, transaction
from django.utils import timezone
from accounts.models import User
from jobs import account_deletion, job_creation, lifecycle
from jobs.models import VideoJob, WebhookDelivery
from jobs.providers.base import Inputs
from jobs.webhooks import records, registry
from jobs.webhooks.sending import Outcome
from jobs.worker import cleanup
from tests.job_states import order
from tokens_ledger import ledger

OLD, NEW = "https://old.example.com/", "https://new.example.com/"
now = timezone.now()
alice = User.objects.create_user("alice")
ledger.grant(user=alice, amount=1_000, note="")
jobs = []
for _ in range(3):
    job = job_creation.create(user=alice, spec=order(), inputs=Inputs(), now=now).job
    jobs.append(lifecycle.cancel(job=job, now=now).pk)
jobs.sort()
registry.put(user=alice, url=OLD, events=[], now=now)
deliveries = WebhookDelivery.objects.bulk_create([WebhookDelivery(
    id=pk, user=alice, job_id=pk, type="x", url=OLD, host="old.example.com", from_order=False,
    body="{}", next_try_at=now, created_at=now - timedelta(days=n),
) for n, pk in reversed([*enumerate(jobs)])])

def put():
    registry.put(user=alice, url=NEW, events=[], now=now)

def write():
    records.write([(each, Outcome(500, "500", 1)) for each in deliveries], now=now)

def renew():
    records.renew(ids=jobs, until=now)

def purge():
    cleanup._purge(WebhookDelivery.objects.filter(created_at__lte=now))

def delete_account():
    account_deletion._delete_jobs(alice, now)

def delete_rest():
    VideoJob.objects.all().delete()
    account_deletion._delete_jobs(alice, now)

def run(act, forbidden):
    try:
        with connection.cursor() as cursor:
            for name in forbidden:
                cursor.execute(f"SET enable_{name} = off")
        act()
        print("done")
    except Exception as error:
        print(error)
    finally:
        connection.close()

def wait_for(number, thread):
    with connection.cursor() as cursor:
        while thread.is_alive():
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= number:
                break
            time.sleep(0.05)

def race(down, up):
    down = threading.Thread(target=run, args=(down, ("indexscan", "indexonlyscan", "bitmapscan")))
    up = threading.Thread(target=run, args=(up, ("seqscan", "bitmapscan")))
    with transaction.atomic():
        WebhookDelivery.objects.select_for_update().get(pk=jobs[1])
        for number, thread in enumerate((down, up), start=1):
            thread.start()
            wait_for(number, thread)
    for thread in (down, up):
        thread.join()
"""


@pytest.mark.live
@pytest.mark.parametrize(
    ("one", "other"),
    [("put", "renew"), ("put", "purge"), ("write", "delete_account"), ("write", "delete_rest")],
)
def test_simultaneous_changes_of_several_deliveries_do_not_fail(stack, one, other):
    service = stack(webs=0, clusters=0)
    script = f"{OPPOSITE}\nrace({one}, {other})"
    printed = service.manage("shell", "--no-imports", "-c", script).stdout
    assert printed.split() == ["done", "done"]
