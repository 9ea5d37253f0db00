"""How many rows PostgreSQL reads for a user's page and History, however much staff did to users.

See tests/jobs/api/test_full_tables.py for how they are counted.
"""

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from jobs.models import Status, VideoJob
from tests import many_jobs
from tests.accounts.admin.test_staff_actions import history_of, shown
from tests.accounts.admin.test_users import page_of
from tests.jobs.api.test_full_tables import costs
from tokens_ledger import account_totals, ledger
from tokens_ledger.models import Entry

pytestmark = pytest.mark.only_on("postgresql")

MANY = 3_000  # jobs of Alice, and of what staff did to them
LOG = """
    INSERT INTO django_admin_log
        (action_time, object_id, object_repr, action_flag, change_message, content_type_id, user_id)
    SELECT now() - n * interval '1 second', id, id, 2, 'Refund: 50 tokens refunded.', %s, %s
    FROM (SELECT id, row_number() OVER () AS n FROM jobs_videojob WHERE user_id = %s) AS jobs
"""
NOTE = """
    INSERT INTO accounts_staffaction (log_entry_id, user_id)
    SELECT log.id, job.user_id
    FROM django_admin_log AS log JOIN jobs_videojob AS job ON job.id::text = log.object_id
"""


@pytest.fixture(autouse=True)
def full(alice, bob, member, new_job):
    """Alice has many jobs, to each of which something was done; Bob has three such, older ones."""
    ledger.grant(user=alice, amount=1_000_000, note="For many")
    for _ in range(3):
        new_job(Status.SUCCEEDED, user=bob)
    model, olga = new_job(Status.SUCCEEDED), member("Operator", "olga")
    database, of = connection.connection, ContentType.objects.get_for_model(VideoJob)
    many_jobs.copies(database, model=str(model.pk), owner=alice.pk, first=1, last=MANY)
    for user in (bob, alice):
        database.execute(LOG, (of.pk, olga.pk, user.pk))
    database.execute(NOTE)
    account_totals.store(
        until=Entry.objects.latest("id").pk
    )  # as the hourly check of the ledger does
    database.execute("ANALYZE")


@pytest.fixture(params=["has most jobs", "has few, and old ones"])
def user(request, alice, bob):
    return alice if request.param == "has most jobs" else bob


def test_user_page_reads_few_rows(support, user):
    assert len(shown(support, page_of(user))) == (10 if user.username == "alice" else 4)
    assert costs(lambda: support.get(page_of(user))) < 250


@pytest.mark.parametrize("page", ["1", "2"])
def test_history_page_reads_few_rows_beyond_their_count(support, user, page):
    """The count looks at 5,000 entries at most, as that of any list in the admin does."""
    address = f"{history_of(user)}?p={page}"
    assert len(shown(support, address)) == (100 if user.username == "alice" else 4)
    counted = MANY + 3 if user.username == "alice" else 4
    assert costs(lambda: support.get(address)) < counted + 900
