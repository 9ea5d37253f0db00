"""The service on SQLite, which `make demo` uses: the other live tests run on PostgreSQL only."""

import pytest

from tests.stack import until

pytestmark = [pytest.mark.live, pytest.mark.once]


@pytest.fixture(scope="module")
def alice(service):
    return service.user("alice-of-the-smoke-test", tokens=400)


def test_job_succeeds(alice):
    job = alice.wait(alice.create(prompt="A lighthouse at dusk").json()["id"])
    assert job["status"] == "SUCCEEDED"
    assert alice.get("/api/v1/tokens").json()["availableTokens"] == 450


def test_running_job_can_be_cancelled(alice):
    job = alice.create(prompt="[[slow:60]]").json()
    answer = alice.post(f"/api/v1/video-jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


def test_cluster_restarts_after_a_worker_is_killed(service, alice):
    (cluster,) = (process.pid for log, process in service.started.items() if "cluster" in log.name)
    before = service.descendants(cluster)
    service.kill(before[-1])
    assert until(lambda: bool(set(service.descendants(cluster)) - set(before)), seconds=20)
    job = alice.wait(alice.create(prompt="after the restart").json()["id"])
    assert job["status"] == "SUCCEEDED"


def test_ledger_is_in_order(service):
    assert service.manage("check_ledger").returncode == 0
