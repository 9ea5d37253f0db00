"""PostgreSQL reads as few rows for a request when a user has a thousand jobs more.

The number of rows is exact where times are not. Each request is made eleven times and the last one
is counted, because PostgreSQL may replan a trigger's statement after a few times, for a user of
average size.
"""

from itertools import count
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Status, WebhookDelivery
from jobs.stats import prometheus
from jobs.webhooks import registry
from tests import many_jobs
from tests.api import JOBS
from tests.queries import rows_read_by as costs
from tokens_ledger import account_totals, ledger, reconciliation
from tokens_ledger.models import Entry

pytestmark = pytest.mark.only_on("postgresql")

MANY = 3_000


@pytest.fixture(autouse=True)
def full(alice, bob, new_job):
    """Bob has three jobs, of before Alice had her many."""
    for _ in range(3):
        new_job(Status.SUCCEEDED, user=bob)
    ledger.grant(user=alice, amount=1_000_000, note="For many")
    model = new_job(Status.SUCCEEDED)
    database = connection.connection
    many_jobs.copies(
        database, model=str(model.pk), owner=alice.pk, first=1, last=MANY, events=10 * MANY
    )
    database.execute("ANALYZE")


@pytest.fixture(params=["has most jobs", "has few, and old ones"])
def user(request, alice, bob):
    return alice if request.param == "has most jobs" else bob


@pytest.fixture
def client(user, client_of):
    return client_of(user)


def test_create_reads_few_rows(client, settings):
    settings.VIDEO_MAX_ACTIVE_JOBS = 100

    def create():
        assert client.create().status_code == 202

    assert costs(create) < 60


def test_cancel_reads_few_rows(client, settings):
    settings.VIDEO_MAX_ACTIVE_JOBS = 100
    ids = [client.create().json()["id"] for _ in range(11)]
    numbers = count()

    def cancel():
        assert client.post(f"{JOBS}/{ids[next(numbers)]}/cancel").status_code == 200

    assert costs(cancel) < 40


@pytest.mark.parametrize(
    "query",
    ["", "?limit=2&offset=1", "?status_filter=FAILED", "?status_filter=succeeded,failed&limit=9"],
)
def test_list_reads_few_rows(client, query):
    def look():
        assert client.get(JOBS + query).status_code == 200

    assert costs(look) < 100  # fifty jobs with their logs


@pytest.mark.parametrize("query", ["limit=2", "limit=2&status_filter=SUCCEEDED,FAILED"])
@pytest.mark.parametrize("user", ["has most jobs"], indirect=True)
def test_deep_page_by_cursor_reads_as_few_rows_as_the_first(client, query):
    after = client.get(f"{JOBS}?{query}&offset=2000").json()["nextCursor"]

    def look(more=""):
        assert client.get(f"{JOBS}?{query}{more}").status_code == 200

    assert costs(lambda: look(f"&after={after}")) <= costs(look) + 2


def test_poll_reads_few_rows(client, user):
    ids = [str(id) for id in user.video_jobs.values_list("pk", flat=True)[:11]]
    numbers = count()

    def look():
        assert client.get(f"{JOBS}/{ids[next(numbers) % len(ids)]}").status_code == 200

    assert costs(look) < 20


def test_entries_read_few_rows_after_a_ledger_check(client):
    account_totals.store(until=Entry.objects.latest("id").pk)

    def look():
        assert client.get("/api/v1/tokens/entries?limit=5").status_code == 200

    assert costs(look) < 30


def test_balance_reads_few_rows(client):
    def look():
        assert client.get("/api/v1/tokens").status_code == 200

    assert costs(look) < 10


def test_metrics_read_few_rows_after_a_ledger_check():
    reconciliation.run(now=timezone.now())
    assert costs(prometheus.text) < 100


@pytest.fixture
def deliveries(alice):
    """Many that were delivered, all newer than a failed one."""
    registry.put(
        user=alice, url="https://example.com/", events=["video_job.failed"], now=timezone.now()
    )
    usual = {
        "user": alice,
        "type": "video_job.failed",
        "url": "https://example.com/",
        "host": "example.com",
        "from_order": False,
        "body": "{}",
    }
    failed = {"status": "failed", "last_error": "The connection failed."}
    rows = [failed] + [{"status": "delivered"}] * MANY
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(job_id=uuid4(), created_at=timezone.now(), **usual, **row) for row in rows
    )
    connection.connection.execute("ANALYZE")


@pytest.mark.parametrize("user", ["has most jobs"], indirect=True)
class TestDeliveries:
    @pytest.mark.parametrize("statuses", ["failed", "pending", "pending,failed"])
    def test_list_of_failed_ones_reads_few_rows(self, client, deliveries, statuses):
        def look():
            url = f"/api/v1/webhook/deliveries?status={statuses}"
            assert len(client.get(url).json()["deliveries"]) == ("failed" in statuses)

        assert costs(look) < 30

    def test_list_for_staff_reads_few_rows(self, user, deliveries):
        assert costs(lambda: list(registry.newest_failures(user=user)[:5])) < 30
