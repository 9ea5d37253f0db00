"""Metrics, log and readiness of real processes."""

import json
import re
import signal
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.client import ApiClient
from tests.run import drop_database
from tests.stack import Stack, until

pytestmark = pytest.mark.live
TOKEN = "metrics-are-for-prometheus"


@pytest.fixture(scope="module")
def studio():
    with Stack(webs=2, env={"MOCK_SECONDS": "1", "METRICS_TOKEN": TOKEN}) as stack:
        yield stack


def figures(url):
    """The installation's samples that do not depend on the time of the scrape."""
    answer = ApiClient(url, TOKEN).get("/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    samples = dict(line.rsplit(" ", 1) for line in lines)
    changing = re.compile(r"_(age|http|process|database|login|staging|storage_call)_|queued_tasks")
    return {name: float(value) for name, value in samples.items() if not changing.search(name)}


def log_lines(stack, process):
    """The log of that kind of process; each line must be JSON."""
    return [
        json.loads(line)
        for log in stack.started
        if log.name.startswith(process)
        for line in log.read_text().splitlines()
    ]


def readiness(url):
    begun = time.monotonic()
    answer = ApiClient(url).get("/readyz")
    wrong = {name for name, said in answer.json()["checks"].items() if said != "ok"}
    return answer.status_code, wrong, time.monotonic() - begun


def test_jobs_appear_in_the_log_and_in_the_metrics_of_each_web_process(studio):
    alice = studio.user("alice", tokens=150)
    answer = alice.create(prompt="A private prompt", headers={"X-Request-ID": "made-by-alice"})
    assert answer.headers["X-Request-ID"] == "made-by-alice"
    job = answer.json()["id"]
    assert alice.wait(job)["status"] == "SUCCEEDED"
    failed = alice.create(prompt="[[fail:provider]]").json()["id"]
    assert alice.wait(failed)["status"] == "FAILED"

    first, second = (figures(url) for url in studio.urls)
    assert first == second
    assert first['videostudio_ended_jobs_total{error_code="",status="SUCCEEDED"}'] == 1
    failures = 'videostudio_ended_jobs_total{error_code="provider.unavailable",status="FAILED"}'
    assert first[failures] == 1
    assert first['videostudio_generation_seconds_count{provider="mock"}'] == 1
    assert first['videostudio_storage_seconds_count{provider="mock"}'] == 1
    assert first['videostudio_tokens_total{kind="refund"}'] == 50
    assert first["videostudio_ledger_imbalance_tokens"] == 0

    web, cluster = log_lines(studio, "web"), log_lines(studio, "cluster")
    [created] = [line for line in web if line.get("job") == job]
    assert (created["message"], created["request_id"]) == ("job created", "made-by-alice")
    assert [line["message"] for line in cluster if line.get("job") == job] == [
        "job submitted",
        "job succeeded",
    ]
    said = json.dumps([web, cluster])
    for secret in ("private", TOKEN, studio.env["SECRET_KEY"], alice.headers["Authorization"][7:]):
        assert secret not in said


def test_each_web_process_is_unready_once_the_last_cluster_has_been_silent(studio):
    assert [readiness(url)[0] for url in studio.urls] == [200, 200]
    *_, cluster = studio.started.values()
    studio.kill(cluster.pid)
    assert until(lambda: not any("qcluster" in line for line in studio.alive().values()), 10)
    silent_since = datetime.now(UTC) - timedelta(seconds=16)  # jobs.stats.queries.MAX_TICK_AGE
    studio.sql("UPDATE jobs_tick SET next_at = %s", silent_since.isoformat(" "))
    for url in studio.urls:
        assert readiness(url)[:2] == (503, {"workers"})
    assert studio.restart_ended() == 1
    studio.wait_until_ready()


def test_each_process_is_listed_until_it_ends_normally(stack):
    running = stack(clusters=2)
    webs = int(running.env["WEB_CONCURRENCY"])

    def listed():
        found = ApiClient(running.url).get("/readyz").json()["processes"]
        return {kind: (each["alive"], each["silent"]) for kind, each in found.items()}

    assert until(lambda: listed() == {"web": (webs, []), "cluster": (2, [])}, 15), listed()
    *_, cluster = running.started.values()
    running.kill(cluster.pid, signal.SIGTERM)
    assert until(lambda: listed()["cluster"] == (1, []), 15), listed()
    *_, web = (each for log, each in running.started.items() if log.name.startswith("web"))
    before = running.sql("SELECT count(*) FROM jobs_heartbeat WHERE kind = 'web'")
    running.kill(web.pid, signal.SIGTERM)
    assert before == [(webs,)]
    assert until(
        lambda: running.sql("SELECT count(*) FROM jobs_heartbeat WHERE kind = 'web'") == [(0,)], 30
    )


def test_web_process_without_a_database_is_up_but_unready(stack):
    running = stack(webs=0, clusters=0)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        port = silent.getsockname()[1]
        for address, patience in {f"127.0.0.1:{port}": 7, "127.0.0.1:1": 1}.items():
            running.env["DATABASE_URL"] = f"postgres://studio:hunter2@{address}/studio"
            running.start_web()
            status, wrong, seconds = readiness(running.urls[-1])
            assert (status, len(wrong)) == (503, 7)
            assert seconds < patience
    assert "Traceback" not in running.output()
    assert "hunter2" not in running.output()


@pytest.mark.alone
def test_web_process_is_unready_at_once_when_its_database_is_dropped(stack):
    running = stack(env={"METRICS_TOKEN": TOKEN})
    assert readiness(running.url)[0] == 200
    *_, cluster = running.started.values()
    running.kill(cluster.pid)  # it would wait
    drop_database(running.server, running.database_url)
    status, wrong, seconds = readiness(running.url)
    assert (status, len(wrong)) == (503, 7)
    assert seconds < 2
    assert "Traceback" not in running.output()
    answer = ApiClient(running.url, TOKEN).get("/metrics")
    assert answer.status_code == 200
    assert "videostudio_database_up 0.0" in answer.text
    assert 'http_requests_total{method="GET",route="/readyz",status="503"}' in answer.text
