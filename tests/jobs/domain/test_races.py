"""A worker records an answer while the owner deletes the job, each on its own connection."""

import pytest

RACE = """
import threading, time
from django.db import connection
from django.utils import timezone
from accounts.models import User
from jobs import events, job_creation, lifecycle
from jobs.models import VideoJob
from jobs.providers.base import Inputs
from tests.job_states import order
from tokens_ledger import ledger

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
now = timezone.now()
alice = User.objects.create_user("alice")
ledger.grant(user=alice, amount=1_000, note="")
job = job_creation.create(user=alice, spec=order(), inputs=Inputs(), now=now).job

def delete():
    try:
        lifecycle.delete(job=job, now=now)
    except Exception as error:
        print(error)
    finally:
        connection.close()

owner = threading.Thread(target=delete)

def start_owner(execute, sql, params, many, context):
    if sql.startswith('INSERT INTO "jobs_jobevent" ') and not owner.ident:
        owner.start()
        with connection.cursor() as cursor:
            while owner.is_alive():
                cursor.execute(WAITING)
                if cursor.fetchone()[0]:
                    break
                time.sleep(0.05)
    return execute(sql, params, many, context)

with connection.execute_wrapper(start_owner):
    events.add_late_answer(job=job, what="Accepted", detail="operations/1", now=now)
owner.join()
print(VideoJob.objects.count(), "jobs")
"""


@pytest.mark.live
def test_late_answer_is_recorded_while_the_job_is_deleted(stack):
    service = stack(webs=0, clusters=0)
    printed = service.manage("shell", "--no-imports", "-c", RACE).stdout
    assert printed.split() == ["0", "jobs"]
