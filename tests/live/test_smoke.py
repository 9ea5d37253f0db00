"""The service on SQLite, which `make demo` uses: the other live tests run on PostgreSQL only."""

import pytest

from tests.stack import Stack, until

pytestmark = [pytest.mark.live, pytest.mark.once]


@pytest.fixture(scope="module")
def studio():
    with Stack(env={"MOCK_SECONDS": "1"}) as stack:
        yield stack


@pytest.fixture(scope="module")
def alice(studio):
    return studio.user("alice", tokens=500)


def test_job_succeeds(alice):
    job = alice.wait(alice.create(prompt="A lighthouse at dusk").json()["id"])
    assert job["status"] == "SUCCEEDED"
    assert alice.get("/api/v1/tokens").json()["availableTokens"] == 450


def test_running_job_can_be_cancelled(alice):
    job = alice.create(prompt="[[slow:60]]").json()
    answer = alice.post(f"/api/v1/video-jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


def test_cluster_restarts_after_a_worker_is_killed(studio, alice):
    (cluster,) = (process.pid for log, process in studio.started.items() if "cluster" in log.name)
    before = studio.descendants(cluster)
    studio.kill(before[-1])
    assert until(lambda: bool(set(studio.descendants(cluster)) - set(before)), seconds=20)
    job = alice.wait(alice.create(prompt="after the restart").json()["id"])
    assert job["status"] == "SUCCEEDED"


def test_ledger_is_in_order(studio):
    assert studio.manage("check_ledger").returncode == 0
